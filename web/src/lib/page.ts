import { useEffect } from "react";

/** What a page tells the window it is in. */

export function useTitle(text: string): void {
  useEffect(() => {
    document.title = `${text} · Weir`;
  }, [text]);
}

export function useFavicon(live: boolean): void {
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (link) link.href = live ? "/assets/favicon-live.svg" : "/assets/favicon.svg";
    return () => {
      if (link) link.href = "/assets/favicon.svg";
    };
  }, [live]);
}
