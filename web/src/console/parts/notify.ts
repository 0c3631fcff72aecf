import { notifications } from "@mantine/notifications";
import i18next from "i18next";
import type { ApiError } from "../../api/client";
import { serverText } from "../../i18n/server";
import { copyText } from "../../lib/clipboard";

export function notifyDone(message: string): void {
  notifications.show({ message, autoClose: 4000 });
}

export function notifyError(e: ApiError | Error): void {
  const code = "code" in e ? e.code : "";
  const remedy = "remedy" in e ? e.remedy : "";
  const said = serverText(i18next.language, code, { message: e.message, remedy });
  notifications.show({
    color: "red",
    message: [said.message, said.remedy].filter(Boolean).join(" "),
    autoClose: 9000,
  });
}

/** Where the browser gives no clipboard, the address is shown to be copied by hand. */
export async function copyLink(url: string): Promise<void> {
  if (await copyText(url)) notifyDone(i18next.t("recording.linkCopied"));
  else window.prompt(i18next.t("copy.byHand"), url);
}
