// Translations: one file of words per page, in both languages; loaded with the page.

import i18next from "i18next";
import { useCallback } from "react";
import { initReactI18next, useTranslation } from "react-i18next";

export type Language = "ko" | "en";
export const LANGUAGES: Record<Language, string> = { ko: "한국어", en: "English" };

const KEPT = "dorami.language";
const stored = localStorage.getItem(KEPT);
const initial: Language = stored === "ko" || stored === "en" ? stored : navigator.language.startsWith("ko") ? "ko" : "en";

void i18next.use(initReactI18next).init({
  lng: initial,
  fallbackLng: false,
  resources: {},
  initAsync: false,
  interpolation: { escapeValue: false }, // React escapes
  react: { bindI18nStore: "added" },
  saveMissing: true,
  missingKeyHandler: (languages, namespace, key) => console.error(`no translation of ${namespace}:${key} into ${languages.join()}`),
});
document.documentElement.lang = initial;

export const language = (): Language => i18next.language as Language;

export function speak(chosen: Language): void {
  localStorage.setItem(KEPT, chosen);
  document.documentElement.lang = chosen;
  void i18next.changeLanguage(chosen);
}

/** A key without the suffix of its plural form. */
type Singular<K> = K extends `${infer S}_one` | `${infer S}_other` ? S : K;
/** Korean has no singular form. */
type Korean<En> = { [K in keyof En as K extends `${string}_one` ? never : K]: string };

export type Values = Record<string, string | number>;
/** Return the text of a key, with its `{{values}}`; `count` chooses the plural form. */
export type Translate<K extends string> = (key: K, values?: Values) => string;
/** A hook that returns the translation function of one file of words. It renders again when the language changes. */
export type Words<K extends string> = () => Translate<K>;

/** Define the words of a page. Each English key needs its Korean one; plurals are `key_one` and `key_other`. */
export function words<En extends Record<string, string>>(namespace: string, en: En, ko: Korean<En>): Words<Singular<keyof En & string>> {
  i18next.addResourceBundle("en", namespace, en);
  i18next.addResourceBundle("ko", namespace, ko);
  return () => {
    const { t } = useTranslation(namespace);
    return useCallback((key, values) => t(key as never, values as never) as unknown as string, [t]);
  };
}
