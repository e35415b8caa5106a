// The package as users get it: packed, installed in an empty folder, and its examples run there.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import ts from "typescript";

import { serve, temporaryFolder } from "./support/backends.mjs";

const require = createRequire(import.meta.url);
const run = promisify(execFile);
const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const readme = readFileSync(path.join(folder, "README.md"), "utf8");
const [, example] = /^```js\n(.*?)^```$/ms.exec(readme);
const [, printed] = /^It prints\n\n```text\n(.*?)^```$/ms.exec(readme);
const [, typed] = /^```ts\n(.*?)^```$/ms.exec(readme);

/** The addon that was built here, and the platform it is for. */
const addon = readdirSync(folder).find((name) => /^handstamp\..*\.node$/.test(name));
const platform = addon.split(".")[1];

/** Nothing of this folder's own npm run gets into the ones under test. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NAPI_|INIT_CWD)/i.test(name)));

async function npm(args, cwd) {
  const { stdout } = await run("npm", args, { cwd, env: environment });
  return stdout;
}

/** An empty project that has installed what is named; `as` is the name under which it knows the package. */
async function install(packages, { as = "handstamp" } = {}) {
  const project = temporaryFolder();
  const dependencies = Object.fromEntries(packages.map(({ name, file }) => [name === "handstamp" ? as : name, `file:${file}`]));
  writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "project", private: true, dependencies }));
  await npm(["install", "--prefer-offline", "--no-audit", "--no-fund", "--no-package-lock"], project);
  return project;
}

/** Writes a program into the project and runs it; answers what it printed. */
async function program(project, name, text, env = {}) {
  writeFileSync(path.join(project, name), text);
  const { stdout } = await run(process.execPath, [name], { cwd: project, env: { ...environment, ...env } });
  return stdout;
}

/** Compiles a program as strictly as a user may; of other packages' declarations, `types` are there. */
async function compile(project, name, text, types = []) {
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: "node16",
    target: "es2022",
    lib: ["es2022", "dom"],
    types,
  };
  writeFileSync(path.join(project, name), text);
  writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [name] }));
  await run(process.execPath, [require.resolve("typescript/bin/tsc")], { cwd: project }).catch((error) => {
    assert.fail(`${name} does not compile:\n${error.stdout}`);
  });
}

const asModule = (text, name) => text.replace(/^const supertokens = require\("[^"]+"\);/, `import * as supertokens from "${name}/session";`);

const packed = temporaryFolder();
let packages;

before(async () => {
  const pack = async (from) => {
    const [{ filename, files }] = JSON.parse(await npm(["pack", "--json", "--pack-destination", packed], from));
    return { file: path.join(packed, filename), files: files.map((file) => file.path).sort() };
  };
  // What a release does for each platform: the binary goes into its folder.
  const own = path.join(packed, platform);
  cpSync(path.join(folder, "npm", platform), own, { recursive: true });
  copyFileSync(path.join(folder, addon), path.join(own, addon));
  copyFileSync(path.join(folder, "LICENSE"), path.join(own, "LICENSE"));
  packages = {
    main: { name: "handstamp", ...(await pack(folder)) },
    platform: { name: `@handstamp/addon-${platform}`, ...(await pack(own)) },
  };
});

test("the packages hold what they should, and nothing else", () => {
  const lib = readdirSync(path.join(folder, "lib")).map((name) => `lib/${name}`);
  const faces = ["index", "session", "fastify", "koa"].flatMap((name) => [".js", ".mjs", ".d.ts", ".d.mts"].map((end) => name + end));
  const rest = ["LICENSE", "README.md", "native.d.ts", "native.js", "package.json"];
  assert.deepEqual(packages.main.files, [...lib, ...faces, ...rest].sort());
  assert.deepEqual(packages.platform.files, ["LICENSE", "README.md", addon, "package.json"].sort());
});

test("a release has a package for each platform, names them all, and is not published without", async () => {
  const copy = path.join(temporaryFolder(), "release");
  cpSync(folder, copy, { recursive: true, filter: (source) => !/node_modules|\.node$|\/(bench|src|__test__)$/.test(path.relative(folder, source)) });
  symlinkSync(path.join(folder, "node_modules"), path.join(copy, "node_modules"));
  const release = (argument) => run(process.execPath, ["release/prepare.mjs", argument], { cwd: copy, env: environment });
  const platforms = readdirSync(path.join(copy, "npm"));
  const { version, scripts } = require("../package.json");
  assert.equal(scripts.prepublishOnly, "node release/prepare.mjs --check");
  await assert.rejects(release("--check"), /optionalDependencies/);

  // Which machine it is for is not looked at: the one of this platform stands for all.
  const artifacts = path.join(copy, "artifacts");
  mkdirSync(artifacts);
  const [last, ...others] = platforms;
  const build = (one) => copyFileSync(path.join(folder, addon), path.join(artifacts, `handstamp.${one}.node`));
  others.forEach(build);
  await assert.rejects(release("artifacts"));
  build(last);
  await release("artifacts");
  await release("--check");
  const { optionalDependencies } = JSON.parse(readFileSync(path.join(copy, "package.json"), "utf8"));
  assert.deepEqual(optionalDependencies, Object.fromEntries(platforms.map((one) => [`@handstamp/addon-${one}`, version])));
  for (const one of platforms) {
    const [{ files }] = JSON.parse(await npm(["pack", "--json", "--dry-run"], path.join(copy, "npm", one)));
    assert.deepEqual(files.map((file) => file.path).sort(), ["LICENSE", "README.md", `handstamp.${one}.node`, "package.json"].sort());
  }
  // The main package has none of the binaries, whichever were about when it was packed.
  const [{ files }] = JSON.parse(await npm(["pack", "--json", "--dry-run"], copy));
  assert.deepEqual(files.map((file) => file.path).sort(), packages.main.files);
});

test("the example runs as CommonJS and as an ES module", async () => {
  const project = await install([packages.main, packages.platform]);
  assert.equal(await program(project, "example.cjs", example), printed);
  assert.equal(await program(project, "example.mjs", asModule(example, "handstamp")), printed);
  const byDefault = example.replace(/^const supertokens = require\("([^"]+)"\);/, 'import supertokens from "$1";');
  assert.notEqual(byDefault, example);
  assert.equal(await program(project, "default.mjs", byDefault), printed);
});

test("the example is compiled under strict, as CommonJS and as an ES module, and runs", async () => {
  const project = await install([packages.main, packages.platform]);
  for (const [source, made] of [["example.cts", "example.cjs"], ["example.mts", "example.mjs"]]) {
    await compile(project, source, typed);
    const { stdout } = await run(process.execPath, [made], { cwd: project, env: environment });
    assert.equal(stdout, "user-1\nUNAUTHORISED\n");
  }
});

test("await using closes, and is typed", async () => {
  const project = await install([packages.main, packages.platform]);
  const text = `
    import { Sessions } from "handstamp/session";

    async function use(): Promise<Sessions> {
      await using own = new Sessions({ database: "memory:" });
      await own.createNewSession("user");
      console.log(own.isClosed);
      return own;
    }
    use().then((own) => console.log(own.isClosed));`;
  await compile(project, "using.cts", text);
  const { stdout } = await run(process.execPath, ["using.cjs"], { cwd: project, env: environment });
  assert.equal(stdout, "false\ntrue\n");
});

test("the types have every name that there is, and no other", () => {
  const faces = ["index", "session", "fastify", "koa"];
  const program = ts.createProgram(faces.map((name) => path.join(folder, `${name}.d.ts`)), { module: ts.ModuleKind.Node16, types: [] });
  const checker = program.getTypeChecker();
  for (const name of faces) {
    const face = checker.getSymbolAtLocation(program.getSourceFile(path.join(folder, `${name}.d.ts`)));
    const isValue = (symbol) => {
      const meant = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      return (meant.flags & ts.SymbolFlags.Value) !== 0;
    };
    const typed = checker.getExportsOfModule(face).filter(isValue).map((symbol) => symbol.name);
    assert.deepEqual(typed.sort(), Object.keys(require(`../${name}.js`)).sort(), name);
  }
});

test("the example runs under the name of the package of that time", async () => {
  const project = await install([packages.main, packages.platform], { as: "supertokens-node" });
  const old = example.replaceAll("handstamp/", "supertokens-node/");
  assert.equal(await program(project, "example.cjs", old), printed);
  assert.equal(await program(project, "example.mjs", asModule(old, "supertokens-node")), printed);
  await compile(project, "example.cts", typed.replaceAll("handstamp/", "supertokens-node/"));
  const web = 'const { createNewSession, Error } = require("supertokens-node"); console.log(typeof createNewSession, Error.UNAUTHORISED);';
  assert.equal(await program(project, "web.cjs", web), "function 2000\n");
});

test("without an addon a server can be used, and the engine says what is missing", async () => {
  const project = await install([packages.main]);
  const server = await serve();
  const settings = JSON.stringify([{ hostname: server.hostname, port: server.port }]);
  const remote = example.replace('{ database: "sqlite:./sessions.db" }', settings);
  assert.notEqual(remote, example);
  assert.equal(await program(project, "remote.cjs", remote), printed);
  const engine = 'try { require("handstamp").init(); } catch (error) { console.log(error.code, error.errType); }';
  assert.equal(await program(project, "engine.cjs", engine), "NO_ADDON 1000\n");
  // One that was built from source.
  const built = { NAPI_RS_NATIVE_LIBRARY_PATH: path.join(folder, addon) };
  assert.equal(await program(project, "example.cjs", example, built), printed);
});

test("the folder itself can be installed where it was built", async () => {
  const project = await install([{ name: "handstamp", file: folder }]);
  assert.equal(await program(project, "example.cjs", example), printed);
});

test("the types of Express and of Fastify fit", async () => {
  const project = path.join(temporaryFolder(), "project");
  mkdirSync(path.join(project, "node_modules"), { recursive: true });
  const from = (name) => path.join(folder, "node_modules", name);
  for (const name of readdirSync(from("."))) {
    if (!name.startsWith(".") && name !== "handstamp") symlinkSync(from(name), path.join(project, "node_modules", name));
  }
  cpSync(folder, path.join(project, "node_modules/handstamp"), {
    recursive: true,
    filter: (source) => !/node_modules\/.|\.node$|handstamp-node\/(src|npm|__test__)/.test(path.relative(path.dirname(folder), source)),
  });
  const text = `
    import type { Request, Response, NextFunction } from "express";
    import type { FastifyReply, FastifyRequest } from "fastify";
    import * as web from "handstamp";
    import * as fastify from "handstamp/fastify";

    export async function handler(request: FastifyRequest, reply: FastifyReply): Promise<string> {
      await fastify.createNewSession(reply, "user");
      return (await fastify.getSession(request, reply, true)).getUserId();
    }

    export async function route(req: Request, res: Response, next: NextFunction): Promise<void> {
      try {
        const session: web.Session = await web.getSession(req, res, true);
        const made = await web.createNewSession(res, session.getUserId(), { role: "x" });
        await web.refreshSession(req, res);
        web.setRelevantHeadersForOptionsAPI(res);
        const { getUserId, writeSessionData } = made;
        const { written } = await writeSessionData({ user: getUserId() }, { expectedVersion: 1 });
        await using own = new web.Sessions({ hosts: [{ hostname: "a/b", port: 1 }], connectTimeout: written ? 1 : 2 });
        await web.withSessions(own).getSession(req, res, false);
        res.json(await made.getSessionData());
      } catch (err) {
        if (web.Error.isErrorFromAuth(err) && err.errType === web.Error.UNAUTHORISED) res.status(440).end();
        else if (web.Error.isErrorFromAuth(err) && err.outcomeUnknown) res.status(503).json([err.argument?.length, err.path?.length]);
        else next(err);
      }
    }`;
  await compile(project, "routes.cts", text, ["node"]);
});

test("the README of the repository shows the same example", () => {
  const top = readFileSync(path.join(folder, "../../README.md"), "utf8");
  assert.ok(top.includes(`\`\`\`js\n${example}\`\`\``));
});
