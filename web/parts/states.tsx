/** What stands where there is nothing to show (yet): every list, chart and page uses these, so they look and speak alike. */
import { Button, Code, Loader } from "@mantine/core";
import { Component, type ErrorInfo, type ReactNode } from "react";
import { inert } from "../../src/cli/inert.ts";
import { RemoteError } from "../../src/sdk/remote-error.ts";

export function Loading({ what }: { readonly what: string }) {
  return (
    <div className="state" role="status">
      <Loader size="sm" type="dots" aria-hidden="true" />
      <span>{what} …</span>
    </div>
  );
}

/** @param children what one can do about it */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ReactNode;
}) {
  return (
    <div className="state">
      <strong>{title}</strong>
      {children === undefined ? null : <div className="dim">{children}</div>}
    </div>
  );
}

export function Failed({
  error,
  again,
}: {
  readonly error: unknown;
  readonly again?: (() => void) | undefined;
}) {
  const known = error instanceof RemoteError ? error : undefined;
  return (
    <div className="state state-failed" role="alert">
      <strong>{inert(error instanceof Error ? error.message : String(error))}</strong>
      {known ? <div className="dim">{inert(known.hint)}</div> : null}
      {known?.instance === undefined ? null : (
        <div className="dim">
          In the server’s log: <Code>{known.instance}</Code>
        </div>
      )}
      {again === undefined ? null : (
        <Button size="xs" variant="default" onClick={again}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** A part of the page that breaks takes nothing else with it. */
export class Boundary extends Component<
  { readonly what: string; readonly children: ReactNode },
  { error: unknown }
> {
  override state: { error: unknown } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    console.error(`${this.props.what} broke`, error, info.componentStack);
  }

  override render(): ReactNode {
    if (this.state.error === undefined) return this.props.children;
    return <Broken what={this.props.what} error={this.state.error} />;
  }
}

export function Broken({ what, error }: { readonly what: string; readonly error: unknown }) {
  // Its file did not come: the server was away, or a new version took its place. Loading again cures both.
  const stale = /dynamically imported module|Importing a module script failed/.test(String(error));
  return (
    <div className="state state-failed" role="alert">
      <strong>
        {stale
          ? "This part could not be loaded: the server was away, or has a new version of the page."
          : `${what} cannot be shown: a fault of the page.`}
      </strong>
      {stale ? null : <Code>{inert(String(error).slice(0, 500))}</Code>}
      <Button size="xs" variant="default" onClick={() => location.reload()}>
        Load the page again
      </Button>
    </div>
  );
}
