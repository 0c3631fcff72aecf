import { IconAlertTriangle } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { ApiError } from "../../api/client";
import { saidOf } from "../../i18n/server";

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
