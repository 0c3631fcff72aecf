/** Writes a ZIP archive without compression (PKWARE APPNOTE 6.3, stored entries): enough for a few small text files. */

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

export function crc32(data: Uint8Array): number {
  let c = 0xffffffff;
  for (const b of data) c = (table[(c ^ b) & 0xff] ?? 0) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function record(size: number, fields: [at: number, bytes: 2 | 4, value: number][]): Uint8Array {
  const view = new DataView(new ArrayBuffer(size));
  for (const [at, width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value >>> 0, true);
  }
  return new Uint8Array(view.buffer);
}

/** MS-DOS date and time, the only kind a plain ZIP has. */
function dosTime(d: Date): [time: number, date: number] {
  const time = (d.getHours() << 11) | (d.getMinutes() << 5) | (d.getSeconds() >> 1);
  return [time, ((Math.max(1980, d.getFullYear()) - 1980) << 9) | ((d.getMonth() + 1) << 5) | d.getDate()];
}

export function zip(files: Record<string, string>, at: Date): Uint8Array<ArrayBuffer> {
  const [time, date] = dosTime(at);
  const body: Uint8Array[] = [];
  const index: Uint8Array[] = [];
  let offset = 0;
  for (const [path, text] of Object.entries(files)) {
    const name = new TextEncoder().encode(path);
    const data = new TextEncoder().encode(text);
    const crc = crc32(data);
    // Bit 11: names are UTF-8.
    const local = record(30, [
      [0, 4, 0x04034b50],
      [4, 2, 20],
      [6, 2, 0x0800],
      [10, 2, time],
      [12, 2, date],
      [14, 4, crc],
      [18, 4, data.length],
      [22, 4, data.length],
      [26, 2, name.length],
    ]);
    const central = record(46, [
      [0, 4, 0x02014b50],
      [4, 2, 20],
      [6, 2, 20],
      [8, 2, 0x0800],
      [12, 2, time],
      [14, 2, date],
      [16, 4, crc],
      [20, 4, data.length],
      [24, 4, data.length],
      [28, 2, name.length],
      [42, 4, offset],
    ]);
    body.push(local, name, data);
    index.push(central, name);
    offset += local.length + name.length + data.length;
  }
  const indexSize = index.reduce((n, b) => n + b.length, 0);
  const n = Object.keys(files).length;
  const end = record(22, [
    [0, 4, 0x06054b50],
    [8, 2, n],
    [10, 2, n],
    [12, 4, indexSize],
    [16, 4, offset],
  ]);
  return join([...body, ...index, end]);
}

function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((n, b) => n + b.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
