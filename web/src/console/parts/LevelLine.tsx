/** The console's signature: a stream's bitrate of the last minute as one thin line of water. */
export function LevelLine({
  values,
  width = 240,
  height = 24,
}: {
  values: number[];
  width?: number;
  height?: number;
}) {
  const top = Math.max(...values, 1) * 1.15;
  const step = width / 59;
  const start = width - (values.length - 1) * step;
  const points = values.map((v, i) => {
    const y = height - 1.5 - (Math.max(0, v) / top) * (height - 3);
    return `${(start + i * step).toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg
      className="level"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      width={width}
      height={height}
      aria-hidden="true"
      focusable="false"
    >
      <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} className="level-bed" />
      {points.length > 1 && <polyline points={points.join(" ")} className="level-water" />}
    </svg>
  );
}
