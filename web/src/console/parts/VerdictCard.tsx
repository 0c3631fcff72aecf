import { Card, Title } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconClock, IconExclamationCircle } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { Stream } from "../../api/types";
import { findingText } from "./verdict";

const icons = { good: IconCircleCheck, fair: IconAlertTriangle, bad: IconExclamationCircle, none: IconClock };

/** The grade in a word, then for each finding what happens, and what to do. */
export function VerdictCard({ stream }: { stream: Stream | null }) {
  const { t, i18n } = useTranslation();
  const grade = stream?.verdict?.grade ?? "none";
  const findings = stream?.verdict?.findings ?? [];
  const soundAlone = stream?.tracks?.length && !stream.tracks.some((track) => track.kind === "video");
  const fine = grade === "good" && soundAlone ? "sound" : grade;
  const Icon = icons[grade];
  return (
    <Card className={`verdict ${grade}`} component="section" aria-labelledby="verdict-title">
      <div className="verdict-head">
        <Icon size={22} stroke={1.8} aria-hidden />
        <div>
          <Title order={2} size="h3" id="verdict-title">
            {t(`verdict.grade.${grade}`)}
          </Title>
        </div>
      </div>
      {findings.length === 0 && <p className="muted">{t(`verdict.text.${fine}`)}</p>}
      <ul className="findings">
        {findings.map((f) => {
          const said = findingText(i18n.language, f);
          return (
            <li key={f.code} className={f.severity}>
              <p>{said.message}</p>
              {said.remedy && <p className="remedy">{said.remedy}</p>}
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
