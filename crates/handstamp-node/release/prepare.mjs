// Makes the packages of a release: `node release/prepare.mjs ARTIFACTS`, with the binaries of all platforms in that folder. Each goes
// into the package of its platform, and package.json gets to know these packages. With `--check`, which npm does before it publishes,
// nothing is made, and it fails unless that was done.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const read = (file) => JSON.parse(readFileSync(path.join(folder, file), "utf8"));
const platforms = readdirSync(path.join(folder, "npm"));

function napi(...args) {
  const command = path.join(createRequire(import.meta.url).resolve("@napi-rs/cli/package.json"), "../dist/cli.js");
  execFileSync(process.execPath, [command, ...args], { cwd: folder, stdio: "inherit" });
}

function prepare(artifacts) {
  // Both fail where a platform's binary is missing.
  napi("artifacts", "--npm-dir", "npm", "--output-dir", path.resolve(artifacts));
  napi("pre-publish", "--npm-dir", "npm", "--skip-optional-publish", "--no-gh-release");
  for (const platform of platforms) copyFileSync(path.join(folder, "LICENSE"), path.join(folder, "npm", platform, "LICENSE"));
}

/** What a release lacks, in words. */
function lacking() {
  const { version, optionalDependencies = {} } = read("package.json");
  return platforms.flatMap((platform) => {
    const own = read(`npm/${platform}/package.json`);
    return [
      own.publishConfig?.access === "public" || `${own.name} would not be for everybody: publishConfig.access is not public`,
      own.version === version || `${own.name} is not of version ${version}: run \`npx napi version\``,
      optionalDependencies[own.name] === version || `package.json does not name ${own.name} ${version} in optionalDependencies`,
      existsSync(path.join(folder, "npm", platform, own.main)) || `npm/${platform} has no binary`,
      existsSync(path.join(folder, "npm", platform, "LICENSE")) || `npm/${platform} has no licence`,
    ].filter((fault) => fault !== true);
  });
}

const [argument] = process.argv.slice(2);
if (argument === undefined) {
  console.error("usage: node release/prepare.mjs ARTIFACTS | --check");
  process.exit(2);
}
if (argument !== "--check") prepare(argument);
const faults = lacking();
for (const fault of faults) console.error(fault);
process.exit(faults.length === 0 ? 0 : 1);
