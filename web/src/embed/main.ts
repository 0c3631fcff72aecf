import "../player/element";
import { nearest } from "../player/strings";
import "./embed.css";

/** /live/show/embed: nothing but the player, as large as the frame. ?mode= asks for one engine, ?muted, ?autoplay=off; ?at= begins at a time, ?from=&to= plays a range of the past. */
const name = decodeURIComponent(location.pathname.replace(/\/embed\/?$/, "").replace(/^\//, ""));
const query = new URLSearchParams(location.search);
const player = document.createElement("weir-player");
player.setAttribute("src", name);
player.setAttribute("hotkeys", "page");
for (const attribute of [
  "mode",
  "latency",
  "muted",
  "autoplay",
  "controls",
  "playback-key",
  "lang",
  "at",
  "from",
  "to",
]) {
  const value = query.get(attribute === "playback-key" ? "key" : attribute);
  if (value !== null) player.setAttribute(attribute, value);
}
// A frame has no words but the player's: they are in the reader's language unless the address asks for another.
document.documentElement.lang = nearest(query.get("lang") ?? navigator.language);
document.title = name;
const main = document.createElement("main");
const heading = document.createElement("h1");
heading.textContent = name;
main.append(heading, player);
document.getElementById("root")?.replaceChildren(main);
