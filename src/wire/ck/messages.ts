/** Messages of Ck as values: the same for both bindings. What a value must be is checked in `check.ts`. */
import type { FieldName, fields, MessageType, messages } from "./table.ts";

/** An extension parameter: any JSON object. */
export type CkExtension = Readonly<Record<string, unknown>>;

interface Values {
  readonly id: string;
  readonly ids: readonly string[];
  readonly keyIds: readonly string[];
  /** From 1. */
  readonly number: number;
  /** `success`, or why not: of `names.ts`, or any other text of another end. */
  readonly response: string;
  readonly extension: readonly CkExtension[];
  /** ms since 1970 UTC */
  readonly time: number;
  readonly flag: boolean;
}

type ValueOf<F extends FieldName> = Values[(typeof fields)[F]["kind"]];
type RowsOf<T extends MessageType> = (typeof messages)[T]["fields"];
type NamesOf<T extends MessageType> = keyof RowsOf<T> & FieldName;
type MustHave<T extends MessageType> = {
  [F in NamesOf<T>]: RowsOf<T>[F] extends { readonly is: "M" } ? F : never;
}[NamesOf<T>];

/** A message of one type. Optional lists and extensions are absent, never empty. */
export type CkMessageOf<T extends MessageType> = {
  readonly type: T;
} & { readonly [F in MustHave<T>]: ValueOf<F> } & {
  readonly [F in Exclude<NamesOf<T>, MustHave<T>>]?: ValueOf<F>;
};

export type CkMessage = { [T in MessageType]: CkMessageOf<T> }[MessageType];

type Commands = {
  [T in MessageType]: (typeof messages)[T] extends { readonly answer: string } ? T : never;
}[MessageType];
/** What is answered. A Key relay request is both: it answers a notification too. */
export type CkCommand = { [T in Commands]: CkMessageOf<T> }[Commands];

/** The message that answers one. */
export type AnswerTypeOf<T extends MessageType> = (typeof messages)[T] extends {
  readonly answer: infer A extends MessageType;
}
  ? A
  : never;

/** A message whose fields are gone through by name. */
export type AnyFields = Readonly<Partial<Record<FieldName, unknown>>> & {
  readonly type: MessageType;
};
