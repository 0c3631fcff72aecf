import type { Place } from "../../lib/addresses";

export interface PublishProps {
  place: Place;
  /** The key as it may be shown to somebody looking over a shoulder. */
  masked: string;
  /** Grows when the key is replaced, so that what was revealed is hidden again. */
  version: string;
  webrtc: boolean;
  /** Fetches the key; the server records each showing. */
  secret: () => Promise<string>;
  newKey: () => void;
}
