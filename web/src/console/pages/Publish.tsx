import { Loader, Select, Stack, Tabs, Title } from "@mantine/core";
import type { TFunction } from "i18next";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { get, post } from "../../api/client";
import { useChange, usePublishInfo } from "../../api/hooks";
import type { Key, PublishInfo } from "../../api/types";
import type { Place } from "../../lib/addresses";
import { useTitle } from "../../lib/page";
import { ErrorText } from "../parts/ErrorText";
import { notifyError } from "../parts/notify";
import { Crumbs } from "../parts/StreamHead";
import { streamPage } from "../paths";
import { BrowserTab } from "../publish/BrowserTab";
import { CameraTab, FfmpegTab, GstreamerTab, VmixTab } from "../publish/LineTabs";
import { ObsTab } from "../publish/ObsTab";
import { PhoneTab } from "../publish/PhoneTab";
import { Strip } from "../publish/Strip";
import type { PublishProps } from "../publish/types";

const tabs = ["obs", "ffmpeg", "phone", "browser", "vmix", "gstreamer", "camera"] as const;
type Tab = (typeof tabs)[number];

export default function Publish({ name }: { name: string }) {
  const { t } = useTranslation();
  const info = usePublishInfo(name);
  useTitle(t("named", { what: t("publish.title"), now: name }));
  return (
    <div className="publish">
      <Crumbs
        steps={[
          { to: "/live", text: t("nav.live") },
          { to: streamPage(name), text: name, mono: true },
        ]}
      />
      <Title order={1} size="h2" mb="sm">
        {t("publish.title")}
      </Title>
      <Strip name={name} />
      {info.isPending && <Loader size="sm" type="dots" mt="lg" />}
      <ErrorText error={info.error} />
      {info.data && <Ways info={info.data} />}
    </div>
  );
}

/** Which of the server's addresses this reader most likely needs: the one they are at, else the recommended one. */
function firstHost(info: PublishInfo): string {
  const here = location.hostname.replace(/^\[|\]$/g, "");
  const known = info.addresses.find((a) => a.host === here);
  const best = info.addresses.find((a) => a.recommended) ?? info.addresses[0];
  const loopback = /^(localhost|127\.|::1)/.test(here);
  if (known && !loopback) return known.host;
  return (loopback ? best?.host : here) ?? here;
}

function Ways({ info }: { info: PublishInfo }) {
  const { t } = useTranslation();
  const [host, setHost] = useState(() => firstHost(info));
  const [tab, setTab] = useState<Tab>(() => tabs.find((x) => x === location.hash.slice(1)) ?? "obs");
  const [rotated, setRotated] = useState(0);
  const rotate = useChange((_: void) => post<Key>(`/keys/${info.key_id}/rotate`), "publish-info", "keys");
  const place = placeOf(info, host);
  const props: PublishProps = {
    place,
    masked: info.key_masked,
    version: String(rotated),
    webrtc: info.webrtc,
    secret: async () => (await get<{ secret: string }>(`/keys/${info.key_id}/secret`)).secret,
    newKey: () =>
      rotate.mutate(undefined, { onSuccess: () => setRotated((n) => n + 1), onError: notifyError }),
  };
  const hosts = [...new Set([host, ...info.addresses.map((a) => a.host)])];
  return (
    <Stack gap="md" mt="md">
      <Select
        className="hostpick"
        label={t("publish.address")}
        description={t("publish.addressHint")}
        data={hosts.map((h) => ({ value: h, label: hostLabel(h, info, t) }))}
        value={host}
        allowDeselect={false}
        onChange={(h) => h && setHost(h)}
      />
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(x) => {
          setTab((x as Tab) ?? "obs");
          history.replaceState(null, "", `#${x}`);
        }}
      >
        <Tabs.List className="scrolltabs">
          {tabs.map((x) => (
            <Tabs.Tab key={x} value={x}>
              {t(`publish.tab.${x}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="obs">
          <ObsTab {...props} />
        </Tabs.Panel>
        <Tabs.Panel value="ffmpeg">
          <FfmpegTab {...props} />
        </Tabs.Panel>
        <Tabs.Panel value="phone">
          <PhoneTab {...props} />
        </Tabs.Panel>
        <Tabs.Panel value="browser">
          <BrowserTab {...props} />
        </Tabs.Panel>
        <Tabs.Panel value="vmix">
          <VmixTab {...props} />
        </Tabs.Panel>
        <Tabs.Panel value="gstreamer">
          <GstreamerTab {...props} />
        </Tabs.Panel>
        <Tabs.Panel value="camera">
          <CameraTab {...props} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

function hostLabel(host: string, info: PublishInfo, t: TFunction): string {
  const a = info.addresses.find((x) => x.host === host);
  const loop = /^(localhost|127\.|::1)/.test(host);
  const kind = a?.kind ?? (loop ? "loopback" : "");
  const words = [
    kind && t(`kind.${kind}`, { defaultValue: kind }),
    a?.recommended && t("system.recommended"),
  ];
  return [host, ...words].filter(Boolean).join(" · ");
}

function placeOf(info: PublishInfo, host: string): Place {
  return {
    host,
    app: info.app,
    stream: info.stream,
    name: info.name,
    rtmpPort: info.rtmp_port,
    rtmpsPort: info.rtmps_port,
    httpPort: info.http_port,
    httpsPort: info.https_port,
  };
}
