import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** What a page may weigh before its first picture of itself, gzipped, in kB: its own code and styles, engines excluded. */
const budgets: Record<string, number> = { embed: 60, watch: 180, console: 350, "weir-player": 60 };

interface Piece {
  type: string;
  name?: string;
  isEntry?: boolean;
  code?: string;
  imports?: string[];
  source?: string | Uint8Array;
  viteMetadata?: { importedCss: Set<string> };
}

/** Fails the build that grows over its budget. */
export function budget(): Plugin {
  return {
    name: "weir-budget",
    apply: "build",
    generateBundle(_options, bundle) {
      const pieces = bundle as unknown as Record<string, Piece>;
      for (const [file, piece] of Object.entries(pieces)) {
        const limit = piece.isEntry && piece.name ? budgets[piece.name] : undefined;
        if (limit === undefined) continue;
        const size = weigh(file, pieces);
        this.info(`${piece.name}: ${size.toFixed(1)} kB of ${limit} kB`);
        if (size > limit)
          this.error(`${piece.name} weighs ${size.toFixed(1)} kB gzipped, over its ${limit} kB`);
      }
    },
  };
}

function weigh(entry: string, pieces: Record<string, Piece>): number {
  const seen = new Set<string>();
  const walk = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    const piece = pieces[file];
    for (const next of piece?.imports ?? []) walk(next);
    for (const css of piece?.viteMetadata?.importedCss ?? []) seen.add(css);
  };
  walk(entry);
  let total = 0;
  for (const file of seen) {
    const piece = pieces[file];
    const body = piece?.code ?? piece?.source ?? "";
    total += gzipSync(body, { level: 9 }).length;
  }
  return total / 1000;
}
