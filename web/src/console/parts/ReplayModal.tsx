import { Button, Group, NativeSelect, Stack, Switch, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { post } from "../../api/client";
import { useChange } from "../../api/hooks";
import type { Replay } from "../../api/types";
import { momentRange } from "../../lib/format";
import { writeMoment } from "../../lib/moment";
import { nameProblem } from "../../lib/name";
import type { Span } from "../../lib/timebar";
import { speedText } from "../../player/speeds";
import { Curl } from "./Curl";
import { Dialog } from "./Dialog";
import { ErrorText } from "./ErrorText";
import { notifyDone } from "./notify";

const speeds = [0.25, 0.5, 1, 2, 4, 8, 16, 32];

/** What the server leaves out at a speed. */
const kept = (speed: number) => (speed === 1 ? "sound" : speed <= 4 ? "silent" : "keys");

interface Props {
  name: string;
  range: Span;
  onClose(): void;
}

/** Sends the marked range out as a live stream of its own. */
export function ReplayModal({ name, range, onClose }: Props) {
  const { t, i18n } = useTranslation();
  const [as, setAs] = useState(`${name}-replay`);
  const [speed, setSpeed] = useState(1);
  const [loop, setLoop] = useState(false);
  const body = { stream: name, as, from: writeMoment(range.from), to: writeMoment(range.to), speed, loop };
  const start = useChange((_: void) => post<Replay>("/replays", body), "replays", "streams");
  const problem = nameProblem(as);
  const wrong = problem ? t(`name.${problem}`) : as === name ? t("replay.itself") : undefined;
  const submit = (e: FormEvent) => {
    e.preventDefault();
    start.mutate(undefined, {
      onSuccess: (r) => {
        notifyDone(t("replay.started", { name: r.as }));
        onClose();
      },
    });
  };
  return (
    <Dialog opened onClose={onClose} title={t("replay.title")}>
      <form onSubmit={submit}>
        <Stack>
          <Text className="num">
            {t("replay.text", { range: momentRange(i18n.language, range.from, range.to) })}
          </Text>
          <TextInput
            data-autofocus
            label={t("replay.as")}
            value={as}
            error={wrong}
            onChange={(e) => setAs(e.currentTarget.value)}
            classNames={{ input: "mono" }}
          />
          <NativeSelect
            label={t("replay.speed")}
            description={t(`replay.kept.${kept(speed)}`)}
            value={speed}
            onChange={(e) => setSpeed(Number(e.currentTarget.value))}
            data={speeds.map((s) => ({ value: String(s), label: speedText(s) }))}
          />
          <Switch
            label={t("replay.loop")}
            checked={loop}
            onChange={(e) => setLoop(e.currentTarget.checked)}
          />
          <ErrorText error={start.error} />
          <Group gap={4} wrap="nowrap">
            <Button type="submit" flex={1} loading={start.isPending} disabled={wrong !== undefined}>
              {t("replay.go")}
            </Button>
            <Curl method="POST" path="/replays" body={body} />
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
