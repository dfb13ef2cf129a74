// Shortcuts by the place of keys, so that they work with a Korean layout; off while the user types.

import { useEffect, useRef } from "react";

const PATIENCE = 1500; // the maximum ms between two keys of a sequence

const typing = (target: EventTarget | null) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
/** Enter and Space belong to the button that has the focus. */
const pressable = (target: EventTarget | null) => target instanceof HTMLElement && target.closest("a, button, [role=tab]") !== null;

/** Call the function of a key: `KeyJ`, `Shift+Slash`, or a sequence such as `KeyG KeyC`. */
export function useKeys(keys: Record<string, () => void>): void {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    let prefix = "";
    let at = 0;
    const press = (event: KeyboardEvent) => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (typing(event.target) || document.querySelector("[role=dialog]")) return;
      if (event.code === "Enter" && pressable(event.target)) return;
      const code = (event.shiftKey ? "Shift+" : "") + event.code;
      const sequence = prefix && event.timeStamp - at < PATIENCE ? `${prefix} ${code}` : code;
      const known = Object.keys(current.current);
      if (current.current[sequence]) {
        event.preventDefault();
        current.current[sequence]();
        prefix = "";
      } else {
        prefix = known.some((key) => key.startsWith(`${code} `)) ? code : "";
        at = event.timeStamp;
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
