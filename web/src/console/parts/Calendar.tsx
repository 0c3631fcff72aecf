import { ActionIcon, Button, Popover } from "@mantine/core";
import { IconCalendar, IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useTimeline } from "../../api/hooks";
import { dayOf, month } from "../../lib/timebar";

/** One click opens the month, the next is the day; days with footage carry a mark. */
export function Calendar({ name, at, onDay }: { name: string; at: number; onDay: (at: number) => void }) {
  const { t, i18n } = useTranslation();
  const [open, setOpen] = useState(false);
  const text = new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium" }).format(at);
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-start" trapFocus returnFocus withinPortal>
      <Popover.Target>
        <Button
          variant="default"
          className="num"
          leftSection={<IconCalendar size={18} stroke={1.7} />}
          aria-haspopup="dialog"
          aria-label={t("timeline.day", { day: text })}
          onClick={() => setOpen(!open)}
        >
          {text}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        {open && (
          <Month
            name={name}
            at={at}
            onDay={(d) => {
              setOpen(false);
              onDay(d);
            }}
          />
        )}
      </Popover.Dropdown>
    </Popover>
  );
}

function Month({ name, at, onDay }: { name: string; at: number; onDay: (at: number) => void }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const [shown, setShown] = useState(at);
  const days = month(shown, lang === "en" ? 0 : 1);
  const first = days[0]?.at ?? shown;
  const last = dayOf(days.at(-1)?.at ?? shown).to;
  const spans = useTimeline(name, first, last).data?.spans ?? [];
  const marks = new Set(
    days
      .filter((d) => spans.some((s) => Date.parse(s.from) < dayOf(d.at).to && Date.parse(s.to) > d.at))
      .map((d) => d.at),
  );
  const turn = (by: number) => {
    const d = new Date(shown);
    setShown(new Date(d.getFullYear(), d.getMonth() + by, 1).getTime());
  };
  const weekday = new Intl.DateTimeFormat(lang, { weekday: "narrow" });
  const full = new Intl.DateTimeFormat(lang, { dateStyle: "full" });
  return (
    <div className="cal">
      <div className="cal-month">
        <ActionIcon aria-label={t("timeline.monthBack")} onClick={() => turn(-1)}>
          <IconChevronLeft size={18} />
        </ActionIcon>
        <strong>{new Intl.DateTimeFormat(lang, { year: "numeric", month: "long" }).format(shown)}</strong>
        <ActionIcon aria-label={t("timeline.monthOn")} onClick={() => turn(1)}>
          <IconChevronRight size={18} />
        </ActionIcon>
      </div>
      <div className="cal-grid num">
        {days.slice(0, 7).map((d) => (
          <span key={d.at} className="cal-head" aria-hidden="true">
            {weekday.format(d.at)}
          </span>
        ))}
        {days.map((d) => (
          <button
            key={d.at}
            type="button"
            className={`bare ${d.inside ? "" : "outside"} ${marks.has(d.at) ? "marked" : ""}`}
            aria-label={`${full.format(d.at)}${marks.has(d.at) ? `, ${t("timeline.hasFootage")}` : ""}`}
            aria-current={dayOf(at).from === d.at ? "date" : undefined}
            disabled={d.at > Date.now()}
            onClick={() => onDay(d.at)}
          >
            {d.day}
          </button>
        ))}
      </div>
      <p className="cal-legend">
        <i aria-hidden="true" /> {t("timeline.hasFootage")}
      </p>
    </div>
  );
}
