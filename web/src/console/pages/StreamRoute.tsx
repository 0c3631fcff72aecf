import { Suspense } from "react";
import { Redirect, useLocation } from "wouter";
import { lazyPage } from "../../lib/page";
import { readStreamPath } from "../paths";

const StreamPage = lazyPage(() => import("./StreamPage"));
const Publish = lazyPage(() => import("./Publish"));

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
