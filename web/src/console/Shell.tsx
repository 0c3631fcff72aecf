import { ActionIcon, Alert, Anchor, Menu, Tooltip, useMantineColorScheme } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import {
  IconBroadcast,
  IconDeviceDesktop,
  IconHistory,
  IconKey,
  IconLanguage,
  IconLogout,
  IconMoon,
  IconPlugConnectedX,
  IconSearch,
  IconServer2,
  IconSun,
  IconUser,
} from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";
import { del } from "../api/client";
import { useAway, useSession, useSystem } from "../api/hooks";
import { type Language, languages, setLanguage } from "../i18n";
import { bitrate } from "../lib/format";
import { seedLevel, useLevel } from "../lib/levels";
import { LevelLine } from "./parts/LevelLine";
import { Logo } from "./parts/Logo";
import { PasswordModal } from "./parts/PasswordModal";
import { SearchModal } from "./parts/SearchModal";
import { StorageAlarm } from "./parts/StorageAlarm";

const rooms = [
  { to: "/live", key: "nav.live", icon: IconBroadcast, also: ["/relays"] },
  { to: "/recordings", key: "nav.recordings", icon: IconHistory, also: ["/timelines", "/storage"] },
  { to: "/access", key: "nav.access", icon: IconKey, also: [] },
  { to: "/system", key: "nav.system", icon: IconServer2, also: [] },
] as const;

export function Shell({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const [at] = useLocation();
  const [search, setSearch] = useState(false);
  useHotkeys([["mod+K", () => setSearch(true)]], []);
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {t("nav.skip")}
      </a>
      <nav className="rail" aria-label={t("nav.main")}>
        <Link to="/live" className="rail-logo" aria-label={t("nav.home")}>
          <Logo size={28} />
        </Link>
        {rooms.map((r) => {
          const here = [r.to, ...r.also].some((p) => at === p || at.startsWith(`${p}/`));
          return (
            <Link key={r.to} to={r.to} className="rail-item" aria-current={here ? "page" : undefined}>
              <r.icon size={22} stroke={1.7} aria-hidden />
              <span>{t(r.key)}</span>
            </Link>
          );
        })}
      </nav>
      <div className="column">
        <TopBar onSearch={() => setSearch(true)} />
        <ServerAway />
        <FirstPassword />
        <StorageAlarm />
        <main id="content" tabIndex={-1}>
          {children}
        </main>
      </div>
      <SearchModal opened={search} onClose={() => setSearch(false)} />
    </div>
  );
}

function TopBar({ onSearch }: { onSearch: () => void }) {
  const { t } = useTranslation();
  return (
    <header className="topbar">
      <Link to="/live" className="topbar-logo" aria-label={t("nav.home")}>
        <Logo size={24} />
      </Link>
      <button type="button" className="searchbox" onClick={onSearch}>
        <IconSearch size={16} aria-hidden />
        <span>{t("search.open")}</span>
        <kbd>Ctrl K</kbd>
      </button>
      <ServerLevel />
      <ThemeMenu />
      <LanguageMenu />
      <MeMenu />
    </header>
  );
}

function ServerLevel() {
  const { t, i18n } = useTranslation();
  const inward = useLevel("\0in");
  const out = useLevel("\0out");
  const past = useSystem(60_000).data?.history;
  useEffect(() => {
    if (!past) return;
    seedLevel(
      "\0in",
      past.map((h) => h.in_bps),
    );
    seedLevel(
      "\0out",
      past.map((h) => h.out_bps),
    );
  }, [past]);
  const text = t("nav.level", {
    in: bitrate(i18n.language, inward.at(-1)),
    out: bitrate(i18n.language, out.at(-1)),
  });
  return (
    <Tooltip label={text}>
      <Link to="/system" className="serverlevel" aria-label={text}>
        <LevelLine values={out} width={72} height={22} />
        <span className="num">{bitrate(i18n.language, out.at(-1))}</span>
      </Link>
    </Tooltip>
  );
}

function ThemeMenu() {
  const { t } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const choices = [
    { id: "light", icon: IconSun },
    { id: "dark", icon: IconMoon },
    { id: "auto", icon: IconDeviceDesktop },
  ] as const;
  const Now = choices.find((c) => c.id === colorScheme)?.icon ?? IconSun;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon size={36} aria-label={t("theme.title")}>
          <Now size={20} stroke={1.7} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {choices.map((c) => (
          <Menu.Item
            key={c.id}
            leftSection={<c.icon size={18} stroke={1.7} />}
            aria-current={c.id === colorScheme}
            onClick={() => setColorScheme(c.id)}
          >
            {t(`theme.${c.id}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function LanguageMenu() {
  const { t, i18n } = useTranslation();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon size={36} aria-label={t("language")}>
          <IconLanguage size={20} stroke={1.7} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {Object.entries(languages).map(([id, name]) => (
          <Menu.Item
            key={id}
            lang={id}
            aria-current={id === i18n.language}
            onClick={() => setLanguage(id as Language)}
          >
            {name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function MeMenu() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const session = useSession().data;
  const [password, setPassword] = useState(false);
  const leave = async () => {
    await del("/session").catch(() => undefined);
    client.clear();
    location.assign("/console");
  };
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon size={36} aria-label={t("me.title")}>
            <IconUser size={20} stroke={1.7} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{session?.user?.name}</Menu.Label>
          <Menu.Item leftSection={<IconKey size={18} stroke={1.7} />} onClick={() => setPassword(true)}>
            {t(session?.password_set ? "password.change" : "password.set")}
          </Menu.Item>
          <Menu.Item leftSection={<IconLogout size={18} stroke={1.7} />} onClick={() => void leave()}>
            {t("me.leave")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <PasswordModal opened={password} onClose={() => setPassword(false)} />
    </>
  );
}

/** What is on the page is what was last known. */
function ServerAway() {
  const { t } = useTranslation();
  if (!useAway()) return null;
  return (
    <Alert
      className="banner alarm"
      role="alert"
      icon={<IconPlugConnectedX size={20} />}
      title={t("away.title")}
    >
      {t("away.text")}
    </Alert>
  );
}

/** The picture comes first; the password is asked for by this banner, not by a wall. */
function FirstPassword() {
  const { t } = useTranslation();
  const session = useSession().data;
  const [open, setOpen] = useState(false);
  if (!session || session.password_set) return null;
  return (
    <>
      <Alert className="banner" icon={<IconKey size={20} />} title={t("password.bannerTitle")}>
        {t("password.bannerText")}{" "}
        <Anchor component="button" type="button" fw={600} underline="always" onClick={() => setOpen(true)}>
          {t("password.set")}
        </Anchor>
      </Alert>
      <PasswordModal opened={open} onClose={() => setOpen(false)} />
    </>
  );
}
