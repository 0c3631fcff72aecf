/** A wave upstream, the crest, and three branches: one stream in, many out. At 16 px the branches become two. */
export function Logo({ size = 24 }: { size?: number }) {
  const small = size < 20;
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="6" fill="var(--weir-accent)" />
      <g stroke="var(--weir-on-accent)" strokeWidth={small ? 3.2 : 2.6} strokeLinecap="round">
        <path d="M5 10c3.7-5 7.3-5 11 0s7.3 5 11 0" />
        <path d="M5 17.500h22" />
        {small ? <path d="M10 22v5M22 22v3" /> : <path d="M9 22v5M16 22v3M23 22v4.2" />}
      </g>
    </svg>
  );
}
