/**
 * Copies text. navigator.clipboard exists only in secure contexts, and a server on
 * a home network is most often plain http on a LAN address: there the old way with
 * a selected text area still works, as long as it runs inside the press itself.
 */
export async function copyText(text: string): Promise<boolean> {
  if (window.isSecureContext && navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Permission refused: the other way needs none.
    }
  }
  return copyBySelection(text);
}

export function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.setAttribute("aria-hidden", "true");
  // On screen but unseen: what is display:none cannot be selected, what is far away scrolls the page.
  area.style.cssText = "position:fixed;top:0;left:0;width:1px;height:1px;opacity:0";
  const focused = document.activeElement;
  // A modal dialog makes everything outside itself inert, so the area goes where the focus is.
  const home = focused?.closest("[role=dialog]") ?? document.body;
  home.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    done = false;
  }
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}
