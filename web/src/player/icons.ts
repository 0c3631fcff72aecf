/** Line drawings on a 24 px grid; the player cannot bring an icon library along. */
const paths = {
  play: '<path d="M8 5.5v13l10.5-6.5z" fill="currentColor"/>',
  pause: '<path d="M8 5.5v13M16 5.5v13" stroke-width="3"/>',
  sound:
    '<path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.500z" fill="currentColor"/><path d="M15.5 9a4 4 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11"/>',
  mute: '<path d="M4 9.5v5h3.500L12 18.500v-13L7.5 9.500z" fill="currentColor"/><path d="m16 9.5 5 5m0-5-5 5"/>',
  pip: '<rect x="3" y="5" width="18" height="14" rx="2"/><rect x="12" y="11.5" width="6.5" height="5" rx="1" fill="currentColor"/>',
  full: '<path d="M4 9V5h4M20 9V5h-4M4 15v4h4M20 15v4h-4"/>',
  exit: '<path d="M8 5v4H4M16 5v4h4M8 19v-4H4M16 19v-4h4"/>',
  info: '<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5.500M12 7.500v.01"/>',
  keys: '<rect x="3" y="6" width="18" height="12" rx="2"/><path d="M7 10h.01M11 10h.01M15 10h.01M8 14h8"/>',
  check: '<path d="m5 12.5 4.5 4.500L19 7.5"/>',
  more: '<path d="M5 12h.01M12 12h.01M19 12h.01" stroke-width="3"/>',
  close: '<path d="m6 6 12 12M18 6 6 18"/>',
};

export type Icon = keyof typeof paths;

export function icon(name: Icon): string {
  return `<svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">${paths[name]}</svg>`;
}
