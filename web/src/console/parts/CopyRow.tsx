import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy, IconEye, IconEyeOff } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { copyText } from "../../lib/clipboard";

interface Props {
  label: string;
  /** What is shown; for a secret, the masked form. */
  shown: string;
  /** What is copied. Secrets are fetched only when asked for, since every showing is recorded. */
  value: () => Promise<string> | string;
  secret?: boolean;
  id: string;
  /** Changes when the value behind a shown secret does, so that it is fetched anew. */
  version?: string;
}

/** One field of an encoder's dialog: its name, its value, its own copy button. */
export function CopyRow({ label, shown, value, secret = false, id, version = "" }: Props) {
  const { t } = useTranslation();
  const [open, setOpen] = useState<{ text: string; of: string } | null>(null);
  const [state, setState] = useState<"idle" | "done" | "failed">("idle");
  const text = useRef<HTMLElement>(null);
  const of = `${shown} ${version}`;
  const revealed = open?.of === of ? open.text : null;
  const reveal = async () => setOpen(revealed === null ? { text: await value(), of } : null);
  const copy = async () => {
    const got = await value();
    const ok = await copyText(got);
    setState(ok ? "done" : "failed");
    if (!ok) {
      // Nothing may copy for us here: show the text, selected, for Ctrl C.
      setOpen({ text: got, of });
      requestAnimationFrame(() => text.current && getSelection()?.selectAllChildren(text.current));
    }
    setTimeout(() => setState("idle"), 2500);
  };
  return (
    <div className="copyrow">
      <span className="copyrow-label">{label}</span>
      <code ref={text} className="copyrow-value mono" data-testid={`${id}-value`}>
        {revealed ?? shown}
      </code>
      {secret && (
        <Tooltip label={t(revealed === null ? "copy.show" : "copy.hide")}>
          <ActionIcon
            size={36}
            data-testid={`reveal-${id}`}
            aria-label={t(revealed === null ? "copy.showLabel" : "copy.hideLabel", { label })}
            onClick={() => void reveal()}
          >
            {revealed === null ? <IconEye size={18} /> : <IconEyeOff size={18} />}
          </ActionIcon>
        </Tooltip>
      )}
      <Button
        variant="default"
        className="copyrow-button"
        data-testid={`copy-${id}`}
        aria-label={t("copy.label", { label })}
        leftSection={state === "done" ? <IconCheck size={16} /> : <IconCopy size={16} />}
        onClick={() => void copy()}
      >
        {t(state === "done" ? "copy.done" : state === "failed" ? "copy.byHand" : "copy.copy")}
      </Button>
      <span className="visually-hidden" role="status">
        {state === "done" ? t("copy.done") : ""}
      </span>
    </div>
  );
}

/** A command of several lines with its copy button. */
export function CopyBlock({ label, shown, value, id }: Omit<Props, "secret">) {
  const { t } = useTranslation();
  const [state, setState] = useState<"idle" | "done">("idle");
  const [full, setFull] = useState<string | null>(null);
  const copy = async () => {
    const got = await value();
    if (await copyText(got)) {
      setState("done");
      setTimeout(() => setState("idle"), 2500);
    } else setFull(got);
  };
  return (
    <figure className="copyblock">
      <figcaption>
        <span>{label}</span>
        <Button
          size="xs"
          variant="default"
          data-testid={`copy-${id}`}
          aria-label={t("copy.label", { label })}
          leftSection={state === "done" ? <IconCheck size={14} /> : <IconCopy size={14} />}
          onClick={() => void copy()}
        >
          {t(state === "done" ? "copy.done" : "copy.copy")}
        </Button>
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <pre className="mono" tabIndex={0} data-testid={`${id}-value`}>
        {full ?? shown}
      </pre>
    </figure>
  );
}
