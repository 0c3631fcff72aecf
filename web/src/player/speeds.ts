import type { PastEngine } from "./pastengine";
import type { Choice } from "./sheets";
import type { Translate } from "./strings";

const usual = [0.5, 0.75, 1, 1.25, 1.5, 2];
/** Key frames only: nobody decodes sixteen times as fast. */
const trick = [4, 8, 16];

export const speedText = (rate: number) => `${rate}×`;

export function speedChoices(t: Translate, now: number, engine: PastEngine | undefined): Choice[] {
  return [...usual, ...(engine?.trick ? trick : [])].map((rate) => ({
    id: String(rate),
    text: rate === 1 ? t("speedNormal") : speedText(rate),
    chosen: rate === now,
  }));
}
