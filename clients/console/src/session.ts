// The signed-in user: read once, stored in the cookies of the gateway, renewed before the session expires.

import { Dorami, DoramiError, type CurrentSession, type Power, type Session, type UserView } from "@dorami/client";
import { useQuery } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { api, get, onSessionEnd, renew } from "./api";
import { queries } from "./queries";

const KEY = ["session"];
const SIGNED_IN = "dorami.signed-in"; // whether a renewal may succeed: the cookies cannot be read
const NOBODY: CurrentSession = { user: null, powers: [], hostPowers: [], expiresAt: null };

export type Role = "HOST" | "MODERATOR" | "ADMIN";
export const STAFF: readonly Role[] = ["HOST", "MODERATOR", "ADMIN"];

async function current(): Promise<CurrentSession> {
  let session = await get<CurrentSession>("/auth/session");
  if (!session.user && localStorage.getItem(SIGNED_IN)) {
    try {
      await renew();
      session = await get<CurrentSession>("/auth/session");
    } catch (error) {
      if (DoramiError.is(error) && error.retryable) throw error;
    }
  }
  if (!session.user) localStorage.removeItem(SIGNED_IN);
  return session;
}

export const useCurrentSession = () => useQuery({ queryKey: KEY, queryFn: current, staleTime: Infinity });

/** Read the session again after a change of the account. */
export const refreshSession = () => queries.invalidateQueries({ queryKey: KEY });

export async function signIn(email: string, password: string): Promise<void> {
  await api<Session>("POST", "/auth/login", { email, password });
  localStorage.setItem(SIGNED_IN, "1");
  await refreshSession();
}

/** End the session, here and at the gateway. */
export async function signOut(): Promise<void> {
  try {
    await api("POST", "/auth/logout", {});
  } finally {
    forget();
  }
}

function forget(): void {
  localStorage.removeItem(SIGNED_IN);
  realtime?.close();
  realtime = undefined;
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== KEY[0] });
  queries.setQueryData(KEY, NOBODY);
}
onSessionEnd(forget);

export interface SignedIn extends CurrentSession {
  user: UserView;
}
export const SessionContext = createContext<SignedIn | null>(null);

/** Return the session. Only for pages behind the sign-in. */
export function useSession(): SignedIn {
  const session = useContext(SessionContext);
  if (!session) throw new Error("Nobody is signed in");
  return session;
}

export const useRole = (): Role => useSession().user.role as Role;

/** Return whether the user may use a power in a room: as staff everywhere, as a host in their own. */
export function usePower(hostId?: string): (power: Power) => boolean {
  const { user, powers, hostPowers } = useSession();
  return (power) => powers.includes(power) || (hostId === user.id && hostPowers.includes(power));
}

let realtime: Dorami | undefined;

/** Return the realtime client of the user. It connects at the first call, by the cookie of the session. */
export function dorami(): Dorami {
  if (!realtime) {
    realtime = new Dorami({
      url: location.origin,
      token: async ({ fresh }) => (fresh ? { token: (await renew()).accessToken } : {}),
    });
    let away = false;
    realtime.status.subscribe(({ state, error }) => {
      if (state === "recovering") away = true;
      else if (state === "connected" && away) {
        away = false;
        // Some changes, such as the orders of a host, have no event that is sent again after a reconnect.
        void queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== KEY[0] });
      }
      if (state === "refused" && error && /^(AUTH|TOKEN|BANNED)/.test(error.code)) forget();
    });
    realtime.connect();
  }
  return realtime;
}

addEventListener("online", () => realtime?.wake());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && realtime?.wake());
