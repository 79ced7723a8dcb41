/** How a message is published. */
export interface Topic {
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** Seconds after which a message that was not delivered has no use (MQTT 5 only). */
  readonly expiry?: number;
  /** Default: JSON (MQTT 5 only). */
  readonly contentType?: string;
}

export function contentTypeOf({ contentType = "application/json" }: Topic): string {
  return contentType;
}
