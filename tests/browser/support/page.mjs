// Builds the example's page with a release of the SDK. Run by itself: with the newest, for whoever wants to see the example.
import { copyFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import * as esbuild from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(here, "../node_modules");
const front = path.join(here, "../../../crates/handstamp/examples/axum-spa/front");

/** The first release had no `signOut`, and another `init`. */
const sdks = { "supertokens-website": path.join(front, "sdk.js"), "supertokens-website-4": path.join(here, "oldest-sdk.js") };

/** Writes the page into `folder`. */
export async function build(release, folder) {
  mkdirSync(folder, { recursive: true });
  copyFileSync(path.join(front, "index.html"), path.join(folder, "index.html"));
  await esbuild.build({
    entryPoints: [path.join(front, "app.js")],
    bundle: true,
    format: "esm",
    outfile: path.join(folder, "app.js"),
    nodePaths: [modules],
    logLevel: "error",
    // What a bundler of that time put in its place.
    define: { global: "window", process: "undefined" },
    plugins: [
      {
        name: "release",
        setup: (bundler) => bundler.onResolve({ filter: /^\.\/sdk\.js$/ }, () => ({ path: sdks[release] })),
      },
    ],
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build("supertokens-website", path.join(here, "../page"));
}
