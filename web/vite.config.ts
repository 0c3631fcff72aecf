import { resolve } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { budget } from "./build/budget.ts";
import { finish } from "./build/finish.ts";
import { pages } from "./build/pages.ts";

const here = import.meta.dirname;
const outDir = resolve(here, "../internal/console/dist");
// Where `npm run dev` finds the API; the server's default address.
const server = process.env.WEIR_SERVER ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "/",
  plugins: [react(), pages(server), budget(), finish(outDir)],
  build: {
    outDir,
    emptyOutDir: false, // finish() does it, and spares what the repository keeps there
    target: "es2022",
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1200,
    // A preload link is made for the page's own address. The player also runs on other
    // sites, so only the pages get them.
    modulePreload: {
      polyfill: false,
      resolveDependencies: (_file, deps, { hostType }) => (hostType === "html" ? deps : []),
    },
    rolldownOptions: {
      input: {
        console: resolve(here, "console.html"),
        watch: resolve(here, "watch.html"),
        embed: resolve(here, "embed.html"),
        "weir-player": resolve(here, "src/player/element.ts"),
      },
      preserveEntrySignatures: "exports-only",
      output: {
        // A stable name for <script type="module" src="…/assets/weir-player.js"> on other sites;
        // everything else carries its hash and is kept for ever (internal/console).
        entryFileNames: (chunk) =>
          chunk.name === "weir-player" ? "assets/weir-player.js" : "assets/h/[name]-[hash].js",
        chunkFileNames: "assets/h/[name]-[hash].js",
        assetFileNames: "assets/h/[name]-[hash][extname]",
      },
    },
  },
  test: { environment: "happy-dom", include: ["test/**/*.test.{ts,tsx}"] },
} as Parameters<typeof defineConfig>[0]);
