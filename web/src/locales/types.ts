/** How messages are typed: keys, placeholders and plurals are checked when the page is built. */

/** A message whose wording depends on `count`; the categories are those of CLDR (`Intl.PluralRules`). */
export type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** Text with `{placeholders}`, or one text per plural category. */
export type Message = string | Plural;

/** What another language must give for a namespace of the first one: the same keys, nothing else. */
export type Localized<Namespace> = {
  readonly [Key in keyof Namespace]: Namespace[Key] extends string ? string : Plural;
};

type KeysOf<Catalogue> = {
  [Name in keyof Catalogue & string]: `${Name}.${keyof Catalogue[Name] & string}`;
}[keyof Catalogue & string];

type MessageAt<Catalogue, Key extends string> = Key extends `${infer Name}.${infer Rest}`
  ? Name extends keyof Catalogue
    ? Rest extends keyof Catalogue[Name]
      ? Catalogue[Name][Rest]
      : never
    : never
  : never;

type PlaceholdersIn<Text> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PlaceholdersIn<Rest>
  : never;

/** The names that a message needs values for; a plural always needs its `count`. */
type PlaceholdersOf<M> = M extends string ? PlaceholdersIn<M> : PlaceholdersIn<M[keyof M]> | 'count';

export type KeyOf<Catalogue> = KeysOf<Catalogue>;

/** Keys of messages that need no values; what labels in tables (actions, menus) may name. */
export type PlainKeyOf<Catalogue> = {
  [Key in KeysOf<Catalogue>]: [PlaceholdersOf<MessageAt<Catalogue, Key>>] extends [never] ? Key : never;
}[KeysOf<Catalogue>];

/** The arguments after the key: none for a plain message, otherwise exactly the values it names. */
export type ValuesFor<Catalogue, Key extends string> = [PlaceholdersOf<MessageAt<Catalogue, Key>>] extends [
  never,
]
  ? []
  : [values: { readonly [Name in PlaceholdersOf<MessageAt<Catalogue, Key>>]: string | number }];
