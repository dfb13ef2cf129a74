// The frame of all pages: header, navigation, the state of the connection, dialogs and toasts.

import { ActionIcon, Button, SegmentedControl, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Component, type ErrorInfo, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { Confirmations } from "./components/dialogs";
import { Empty, Loading, PageHead, RoleTag } from "./components/page";
import { Toasts } from "./components/toasts";
import { Icon } from "./icons";
import { language, type Language, LANGUAGES, speak } from "./i18n";
import { type Page, PAGES } from "./pages";
import { Palette } from "./palette";
import { dorami, signOut, useRole, useSession } from "./session";
import { useStore } from "./stores";
import { useShellWords } from "./words/shell";

const HASTE = 1500; // ms without a connection before the banner is shown

export function Shell() {
  const t = useShellWords();
  const role = useRole();
  const [open, setOpen] = useState(false);
  const [place] = useLocation();
  useEffect(() => setOpen(false), [place]);
  const allowed = PAGES.filter(({ who }) => who.includes(role));
  return (
    <div className="shell" onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <a className="skip" href="#content">
        {t("skip")}
      </a>
      <Header open={open} toggle={() => setOpen(!open)} />
      <nav className="nav" data-open={open} aria-label={t("menu")}>
        {allowed.map((page) => page.label && <Entry key={page.path} page={page} place={place} />)}
        <div className="nav-foot">
          <Account />
        </div>
      </nav>
      <main id="content" tabIndex={-1}>
        <Offline />
        <Crash key={place}>
          <Suspense fallback={<Loading />}>
            <Switch>
              {PAGES.map(({ path, who, component: Content }) => (
                <Route key={path} path={path}>
                  {who.includes(role) ? <Content /> : <Refused />}
                </Route>
              ))}
              <Route>
                <Nowhere />
              </Route>
            </Switch>
          </Suspense>
        </Crash>
      </main>
      <Confirmations />
      <Toasts />
    </div>
  );
}

function Entry({ page, place }: { page: Page; place: string }) {
  const active = page.path === place || (page.path !== "/" && place.startsWith(`${page.path}/`));
  return (
    <Link href={page.path} className="nav-entry" aria-current={active ? "page" : undefined}>
      {page.icon && <Icon name={page.icon} />}
      <span>{page.label![language()]}</span>
      {page.badge && <page.badge />}
    </Link>
  );
}

function Header({ open, toggle }: { open: boolean; toggle: () => void }) {
  const t = useShellWords();
  return (
    <header className="top">
      <ActionIcon className="burger" variant="subtle" color="gray" size="lg" aria-label={t("menu")} aria-expanded={open} onClick={toggle}>
        <Icon name={open ? "close" : "menu"} size={22} />
      </ActionIcon>
      <Link href="/" className="brand">
        {t("console")}
      </Link>
      <Connection />
      <span className="grow" />
      <Palette />
      <Preferences />
    </header>
  );
}

/** The menus of language and colours, also on the sign-in page. */
export function Preferences() {
  const t = useShellWords();
  const { setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  const dark = useComputedColorScheme("light") === "dark";
  return (
    <div className="preferences">
      <SegmentedControl
        size="xs"
        aria-label={t("language")}
        value={language()}
        onChange={(chosen) => speak(chosen as Language)}
        data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
      />
      <ActionIcon variant="default" size="lg" aria-label={t(dark ? "light" : "dark")} onClick={() => setColorScheme(dark ? "light" : "dark")}>
        <Icon name={dark ? "sun" : "moon"} />
      </ActionIcon>
    </div>
  );
}

function Account() {
  const t = useShellWords();
  const { user } = useSession();
  return (
    <>
      <div className="account">
        <Link href="/account">{user.username}</Link>
        <RoleTag role={user.role} />
      </div>
      <Button variant="default" size="xs" leftSection={<Icon name="exit" size={16} />} onClick={() => void signOut()}>
        {t("signOut")}
      </Button>
    </>
  );
}

const TONES = { idle: "warn", connecting: "warn", connected: "good", recovering: "warn", refused: "bad" } as const;

function Connection() {
  const t = useShellWords();
  const { state } = useStore(dorami().status);
  return (
    <span className="connection" data-tone={TONES[state]} data-state={state} role="status">
      <i />
      <span>{t(state === "idle" ? "connecting" : state)}</span>
    </span>
  );
}

/** Whether actions can reach the gateway. */
export const useOnline = () => useStore(dorami().status).state === "connected";

function Offline() {
  const t = useShellWords();
  const { state } = useStore(dorami().status);
  const [late, setLate] = useState(false);
  const away = state === "recovering" || state === "refused";
  useEffect(() => {
    if (!away) return setLate(false);
    const timer = setTimeout(() => setLate(true), HASTE);
    return () => clearTimeout(timer);
  }, [away]);
  return late ? (
    <div className="banner" role="alert">
      {t("offline")}
    </div>
  ) : null;
}

function Refused() {
  const t = useShellWords();
  return (
    <>
      <PageHead title={t("forbidden")} />
      <Empty action={<Home />}>{t("forbiddenWhy")}</Empty>
    </>
  );
}

function Nowhere() {
  const t = useShellWords();
  return (
    <>
      <PageHead title={t("lost")} />
      <Home />
    </>
  );
}

function Home() {
  const t = useShellWords();
  return (
    <Button component={Link} href="/" variant="default">
      {t("home")}
    </Button>
  );
}

/** Keeps the shell when a page fails, for example because its script was removed by an update. */
class Crash extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError = () => ({ failed: true });
  override componentDidCatch = (error: Error, info: ErrorInfo) => console.error(error, info.componentStack);
  override render = () => (this.state.failed ? <Crashed /> : this.props.children);
}

function Crashed() {
  const t = useShellWords();
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <Empty
      action={
        <Button ref={button} onClick={() => location.reload()}>
          {t("reload")}
        </Button>
      }
    >
      {t("crashed")}
    </Empty>
  );
}
