import { lazy, Suspense } from "react";
import { Redirect, useLocation } from "wouter";
import { readStreamPath } from "../paths";

const StreamPage = lazy(() => import("./StreamPage"));
const Publish = lazy(() => import("./Publish"));

export default function StreamRoute() {
  useLocation(); // renders again when the address changes
  const place = readStreamPath(location.pathname);
  if (!place) return <Redirect to="/live" replace />;
  return (
    <Suspense>
      {place.page === "publish" ? (
        <Publish key={place.name} name={place.name} />
      ) : (
        <StreamPage key={place.name} name={place.name} />
      )}
    </Suspense>
  );
}
