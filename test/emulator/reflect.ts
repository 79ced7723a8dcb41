/**
 * What `@peculiar/x509` needs of the `reflect-metadata` proposal, and no more. It registers its
 * algorithms with an injection container that asks each class for the types of its constructor's
 * parameters; those classes have none, so the true answer is always "nothing known".
 *
 * Import this file before `@peculiar/x509`.
 */
const reflect = Reflect as unknown as Record<"getMetadata" | "getOwnMetadata", unknown>;

reflect.getMetadata ??= () => undefined;
reflect.getOwnMetadata ??= () => undefined;
