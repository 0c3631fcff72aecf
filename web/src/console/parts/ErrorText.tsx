import { IconAlertTriangle } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { ApiError } from "../../api/client";
import { serverText } from "../../i18n/server";

/** What happened and what to do, in the reader's language where the code is known. */
export function ErrorText({ error }: { error: ApiError | Error | null | undefined }) {
  const { i18n } = useTranslation();
  if (!error) return null;
  const said = saidOf(i18n.language, error);
  return (
    <p className="errortext" role="alert">
      <IconAlertTriangle size={18} aria-hidden />
      <span>{said}</span>
    </p>
  );
}

function saidOf(lang: string, error: ApiError | Error): string {
  const code = "code" in error ? error.code : "";
  const remedy = "remedy" in error ? error.remedy : "";
  const said = serverText(lang, code, { message: error.message, remedy });
  return [said.message, said.remedy].filter(Boolean).join(lang.startsWith("zh") ? "" : " ");
}
