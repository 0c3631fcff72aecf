import { Button, Center, Loader, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Suspense, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { Redirect, Route, Router, Switch } from "wouter";
import { followEvents, useSession } from "../api/hooks";
import { lazyPage } from "../lib/page";
import { SignIn } from "./pages/SignIn";
import { Shell } from "./Shell";

const Live = lazyPage(() => import("./pages/Live"));
const StreamRoute = lazyPage(() => import("./pages/StreamRoute"));
const Relays = lazyPage(() => import("./pages/Relays"));
const Recordings = lazyPage(() => import("./pages/Recordings"));
const Timelines = lazyPage(() => import("./pages/Timelines"));
const TimelineRoute = lazyPage(() => import("./pages/Timeline"));
const Storage = lazyPage(() => import("./pages/Storage"));
const Access = lazyPage(() => import("./pages/Access"));
const System = lazyPage(() => import("./pages/System"));

export function App() {
  const { t } = useTranslation();
  const session = useSession();
  if (session.isPending) return <Waiting />;
  // Who was let in stays while the server is away: the shell says so.
  if (!session.data)
    return (
      <Center mih="100vh" component="main">
        <Stack align="center" p="md">
          <Text>{t("error.unreachable")}</Text>
          <Button onClick={() => void session.refetch()}>{t("error.again")}</Button>
        </Stack>
      </Center>
    );
  if (!session.data.signed_in) return <SignIn session={session.data} />;
  return <SignedIn />;
}

function SignedIn() {
  const client = useQueryClient();
  useEffect(() => followEvents(client), [client]);
  return (
    <Router base="/console">
      <Shell>
        <Suspense fallback={<Waiting />}>
          <Switch>
            <Route path="/live" component={Live} />
            <Route path="/live/*" component={StreamRoute} />
            <Route path="/relays" component={Relays} />
            <Route path="/recordings" component={Recordings} />
            <Route path="/timelines" component={Timelines} />
            <Route path="/timelines/*" component={TimelineRoute} />
            <Route path="/storage" component={Storage} />
            <Route path="/access" component={Access} />
            <Route path="/system" component={System} />
            <Route>
              <Redirect to="/live" replace />
            </Route>
          </Switch>
        </Suspense>
      </Shell>
    </Router>
  );
}

function Waiting() {
  const { t } = useTranslation();
  return (
    <Center mih={240} role="status" aria-label={t("loading")}>
      <Loader size="sm" type="dots" />
    </Center>
  );
}
