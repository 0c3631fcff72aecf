import { ActionIcon, Tooltip } from "@mantine/core";
import { IconTerminal2 } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { asCurl } from "../../api/client";
import { copyText } from "../../lib/clipboard";
import { notifyDone } from "./notify";

/** "Copy as curl" for the call behind a card or a button. */
export function Curl({ method = "GET", path, body }: { method?: string; path: string; body?: unknown }) {
  const { t } = useTranslation();
  const copy = async () => {
    if (await copyText(asCurl(method, path, body))) notifyDone(t("curl.copied"));
  };
  return (
    <Tooltip label={t("curl.copy")}>
      <ActionIcon aria-label={t("curl.copy")} onClick={() => void copy()}>
        <IconTerminal2 size={18} stroke={1.7} />
      </ActionIcon>
    </Tooltip>
  );
}
