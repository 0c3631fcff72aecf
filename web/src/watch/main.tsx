import "../theme/tokens.css";
import "../theme/stream.css";
import "../theme/forced.css";
import "./watch.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { startI18n } from "../i18n";
import { List } from "./List";
import { WatchPage } from "./WatchPage";

startI18n();

const name = location.pathname.replace(/^\/+|\/+$/g, "");
const root = document.getElementById("root");
const client = new QueryClient({ defaultOptions: { queries: { retry: 1, networkMode: "always" } } });
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        {name === "" || name === "portal" ? <List /> : <WatchPage name={decode(name)} />}
      </QueryClientProvider>
    </StrictMode>,
  );

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
