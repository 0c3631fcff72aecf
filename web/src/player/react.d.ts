import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { WeirPlayer } from "./element";

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "weir-player": DetailedHTMLProps<HTMLAttributes<WeirPlayer>, WeirPlayer> & {
        src: string;
        mode?: string;
        latency?: string;
        muted?: boolean;
        hotkeys?: string;
        autoplay?: string;
        "playback-key"?: string;
        at?: string;
        from?: string;
        to?: string;
      };
    }
  }
}
