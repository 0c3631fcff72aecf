import { notifications } from "@mantine/notifications";
import i18next from "i18next";
import type { ApiError } from "../../api/client";
import { serverText } from "../../i18n/server";

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
