import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

// What the repository itself keeps in the output folder, so that the binary builds without npm.
const kept = new Set(["stub.html", ".gitkeep"]);
const text = /\.(html|js|css|svg|json)$/;

function* files(dir: string): Generator<string> {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else yield path;
  }
}

/** Empties the output folder except for what the repository keeps there, and lays .br and .gz twins beside text files. */
export function finish(outDir: string): Plugin {
  return {
    name: "weir-finish",
    apply: "build",
    buildStart() {
      mkdirSync(outDir, { recursive: true });
      for (const name of readdirSync(outDir))
        if (!kept.has(name)) rmSync(join(outDir, name), { recursive: true });
    },
    closeBundle() {
      if (!existsSync(join(outDir, "console.html"))) return; // the build failed, and has said so
      for (const path of files(outDir)) {
        if (!text.test(path) || path.endsWith("stub.html") || statSync(path).size < 512) continue;
        const bytes = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        const params = {
          [constants.BROTLI_PARAM_QUALITY]: 11,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
      }
    },
  };
}
