import { notifications } from "@mantine/notifications";
import i18next from "i18next";
import type { ApiError } from "../../api/client";
import { saidOf } from "../../i18n/server";
import { copyText } from "../../lib/clipboard";

export function notifyDone(message: string): void {
  notifications.show({ message, autoClose: 4000 });
}

export function notifyError(e: ApiError | Error): void {
  notifications.show({
    color: "red",
    message: saidOf(i18next.language, e),
    autoClose: 9000,
  });
}

/** Where the browser gives no clipboard, the address is shown to be copied by hand. */
export async function copyLink(url: string): Promise<void> {
  if (await copyText(url)) notifyDone(i18next.t("recording.linkCopied"));
  else window.prompt(i18next.t("copy.byHand"), url);
}
