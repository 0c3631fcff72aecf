import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

interface Entry {
  version?: string;
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}

const root = join(import.meta.dirname, "..");
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  packages: Record<string, Entry>;
};

describe("package-lock.json", () => {
  it("names no registry, so that it holds behind any mirror", () => {
    expect(Object.entries(lock.packages).filter(([, e]) => e.resolved)).toEqual([]);
  });

  // A mirror that lacks another platform's package leaves it out when the lock is written; npm ci then refuses the lock.
  it("has an entry for the packages of every platform", () => {
    const missing: string[] = [];
    for (const [at, e] of Object.entries(lock.packages))
      for (const name of Object.keys(e.optionalDependencies ?? {}))
        if (!lock.packages[`node_modules/${name}`] && !lock.packages[`${at}/node_modules/${name}`])
          missing.push(name);
    expect(missing).toEqual([]);
  });

  it("goes with exact versions in package.json", () => {
    const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<
      "dependencies" | "devDependencies",
      Record<string, string>
    >;
    for (const [name, version] of Object.entries({ ...own.dependencies, ...own.devDependencies })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(lock.packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });
});
