// The configuration of the shop.

import type { ShopConfig } from "@dorami/client";
import { useQuery } from "@tanstack/react-query";
import { get } from "./api";

const UNKNOWN: ShopConfig = { version: "", protocol: "", currency: "KRW", locale: "ko-KR", analytics: false, imageOrigins: [] };

export const useShop = (): ShopConfig => useQuery({ queryKey: ["/config"], queryFn: () => get<ShopConfig>("/config"), staleTime: Infinity }).data ?? UNKNOWN;

/** Return whether the content policy of the page allows a picture: IMAGE_ORIGINS and the gateway itself. */
export function showable(address: string, origins: readonly string[]): boolean {
  if (!URL.canParse(address)) return false;
  const { origin, protocol } = new URL(address);
  return origin === location.origin || origins.some((allowed) => (allowed === "*" ? protocol === "https:" : origin === allowed.toLowerCase()));
}
