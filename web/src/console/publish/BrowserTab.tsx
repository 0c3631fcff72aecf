import { Alert, Anchor, Button, Group } from "@mantine/core";
import { IconCamera, IconPlayerStop, IconScreenShare } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { webBase } from "../../lib/addresses";
import { pathOf } from "../../lib/format";
import { WhipPublisher } from "../../lib/whip";
import { ErrorText } from "../parts/ErrorText";
import { Step } from "./Step";
import type { PublishProps } from "./types";

/** Camera or screen from this browser by WHIP. Browsers hand out neither on plain http from another machine. */
export function BrowserTab({ place, secret, webrtc }: PublishProps) {
  const { t } = useTranslation();
  const possible = window.isSecureContext && navigator.mediaDevices !== undefined && webrtc;
  const screen = possible && "getDisplayMedia" in navigator.mediaDevices;
  const video = useRef<HTMLVideoElement>(null);
  const publisher = useRef<WhipPublisher>(undefined);
  const [state, setState] = useState<"off" | "starting" | "on">("off");
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => () => publisher.current?.stop(), []);
  const stop = () => {
    publisher.current?.stop();
    publisher.current = undefined;
    setState("off");
  };
  const start = async (kind: "camera" | "screen") => {
    setError(null);
    setState("starting");
    try {
      const p = new WhipPublisher(`/${pathOf(place.name)}/whip`, await secret());
      publisher.current = p;
      p.onend = stop;
      const stream = await p.start(kind);
      if (video.current) video.current.srcObject = stream;
      setState("on");
    } catch (e) {
      stop();
      setError(e as Error);
    }
  };
  return (
    <ol className="steps">
      <Step n={1} title={t("browser.step1")}>
        <p>{t("browser.text1")}</p>
        {!possible && <WhyNot place={place} webrtc={webrtc} />}
        <Group gap="sm">
          {state === "on" ? (
            <Button color="red" variant="outline" leftSection={<IconPlayerStop size={18} />} onClick={stop}>
              {t("browser.stop")}
            </Button>
          ) : (
            <>
              <Button
                disabled={!possible}
                loading={state === "starting"}
                leftSection={<IconCamera size={18} />}
                onClick={() => void start("camera")}
              >
                {t("browser.camera")}
              </Button>
              <Button
                variant="default"
                disabled={!screen}
                leftSection={<IconScreenShare size={18} />}
                onClick={() => void start("screen")}
              >
                {t("browser.screen")}
              </Button>
            </>
          )}
        </Group>
        <ErrorText error={error} />
        <video ref={video} className="selfview" autoPlay muted playsInline hidden={state !== "on"} />
      </Step>
    </ol>
  );
}

function WhyNot({ place, webrtc }: { place: PublishProps["place"]; webrtc: boolean }) {
  const { t } = useTranslation();
  const https = place.httpsPort > 0 ? `${webBase(place)}${location.pathname}#browser` : "";
  return (
    <Alert mb="sm" className="note-warn">
      {t(webrtc ? "browser.insecure" : "browser.noWebrtc")}{" "}
      {webrtc && https && (
        <Anchor href={https} underline="always">
          {https}
        </Anchor>
      )}
      {webrtc && !https && t("browser.insecureLocal")}
    </Alert>
  );
}
