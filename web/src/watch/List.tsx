import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { get, list } from "../api/client";
import type { Session, Stream } from "../api/types";
import { StatePill } from "../console/parts/StatePill";
import { Thumb } from "../console/parts/Thumb";
import { pathOf } from "../lib/format";
import { byName } from "../lib/name";
import { useTitle } from "../lib/page";
import { Frame } from "./Frame";

type Public = Pick<Stream, "name" | "state" | "since" | "thumbnail" | "viewers">;

/** Whoever is signed in sees all streams, everybody else those that are open. */
export async function publicList(): Promise<Public[]> {
  const session = await get<Session>("/session");
  return byName(await list<Public>(`/${session.signed_in ? "streams" : "watch"}?limit=200`));
}

/** What anybody may see is live: the portal's first page. */
export function List() {
  const { t } = useTranslation();
  const asked = useQuery({
    queryKey: ["watch"],
    queryFn: publicList,
    refetchInterval: 3000,
  });
  useTitle(t("watch.title"));
  const items = (asked.data ?? []).filter((s) => s.state !== "idle");
  return (
    <Frame>
      <h1>{t("watch.title")}</h1>
      {asked.isError && <p role="alert">{t("away.title")}</p>}
      {asked.isSuccess && items.length === 0 && (
        <section className="calm">
          <p className="calm-title">{t("watch.none")}</p>
          <p className="muted">{t("watch.noneText")}</p>
        </section>
      )}
      <ul className="cards">
        {items.map((s) => (
          <li key={s.name} className="card">
            <a href={`/${pathOf(s.name)}`} className="card-link">
              <Thumb stream={s} />
              <span className="over left">
                <StatePill state={s.state} since={s.since} />
              </span>
              <span className="card-body">
                <strong>{s.name.split("/").at(-1)}</strong>
                <span className="muted num">
                  {s.name}
                  {s.viewers === undefined
                    ? ""
                    : ` · ${t("watch.viewers", { count: s.viewers, n: s.viewers })}`}
                </span>
              </span>
            </a>
          </li>
        ))}
      </ul>
    </Frame>
  );
}
