import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "../theme/tokens.css";
import "../theme/stream.css";
import "../theme/forced.css";
import "./console.css";
import "./stream.css";
import "./publish.css";
import "./past.css";
import "./timeline.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError } from "../api/client";
import { startI18n } from "../i18n";
import { theme, tokens } from "../theme/theme";
import { App } from "./App";

startI18n();
const client: QueryClient = new QueryClient({
  // Signed out in another window, or expired: the session says so, and the page asks to sign in.
  queryCache: new QueryCache({
    onError: (e) => {
      if (e instanceof ApiError && e.status === 401) void client.invalidateQueries({ queryKey: ["session"] });
    },
  }),
  defaultOptions: {
    // A server on this machine or in the local network is there without the Internet, too.
    queries: { retry: 1, staleTime: 500, refetchOnWindowFocus: true, networkMode: "always" },
    mutations: { networkMode: "always" },
  },
});

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={tokens} defaultColorScheme="auto">
        <QueryClientProvider client={client}>
          <Notifications position="top-right" />
          <App />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
