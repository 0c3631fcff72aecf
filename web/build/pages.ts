import type { Plugin } from "vite";

/** In development: the pages at the addresses the server gives them, everything else from a running server. */
export function pages(server: string): Plugin {
  return {
    name: "weir-pages",
    apply: "serve",
    config: () => ({
      server: {
        proxy: {
          "^/(api|login|livez|readyz|metrics)(/|$)": { target: server, ws: true },
          "^/.*/(whip|whep|index\\.m3u8|index\\.mpd|poster\\.jpg|stream\\.(flv|ts|mp4)|.*\\.(m3u8|m4s|mp4))":
            {
              target: server,
              ws: true,
            },
        },
      },
    }),
    configureServer(dev) {
      dev.middlewares.use((req, _res, next) => {
        const url = req.url ?? "/";
        const path = url.split("?")[0] ?? "/";
        const page = pageOf(path, req.headers.accept ?? "");
        if (page) req.url = page + url.slice(path.length);
        next();
      });
    },
  };
}

function pageOf(path: string, accept: string): string | undefined {
  if (!accept.includes("text/html")) return undefined;
  if (path === "/console" || path.startsWith("/console/")) return "/console.html";
  if (/^\/(api|login|src|node_modules|@)/.test(path)) return undefined;
  if (path.endsWith("/embed")) return "/embed.html";
  return "/watch.html";
}
