/** What a program gives its manager's broker. */
import type { Topic } from "../mqtt/topic.ts";

/** What is published, and how. */
export interface Message {
  readonly topic: string;
  readonly kind: Topic;
  /** Undefined: what is retained there is taken away. */
  readonly payload: object | undefined;
  /** Called when the broker has it, if it is retained. */
  readonly whenTaken?: () => void;
}

/** Takes a message of figures: it is sent, or dropped and counted. Undefined: it was not even made. */
export type Offer = (message: Message | undefined) => void;
