// biome-ignore-all lint/correctness/noUnusedImports: h is the JSX factory (tsconfig)
/** The few shapes of the page. Each is decoration: the word beside it says the same. */
import type { Check, Pill } from "../src/dashboard/model.ts";
import { h, type Raw } from "./jsx.ts";

export function Logo(): Raw {
  return (
    <svg viewBox="0 0 22 22" aria-hidden="true">
      <rect x=".75" y=".75" width="20.5" height="20.5" rx="5.5" fill="none" stroke="currentColor" stroke-width="1.5" />
      <path d="M4 8.2h14" stroke="currentColor" stroke-width="1.2" stroke-dasharray="2 1.8" opacity=".55" />
      <path
        d="M4 14.6h3.6l1.6-2 1.8 2.4 2.2-9.6 1.9 9.2H18"
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linejoin="round"
        stroke-linecap="round"
      />
    </svg>
  );
}

export function Shape({ shape }: { shape: Pill["shape"] }): Raw {
  return (
    <svg viewBox="0 0 10 10" aria-hidden="true">
      {shapeOf(shape)}
    </svg>
  );
}

function shapeOf(shape: Pill["shape"]): Raw {
  switch (shape) {
    case "dot":
      return <circle cx="5" cy="5" r="5" fill="currentColor" />;
    case "ring":
      return (
        <circle
          cx="5"
          cy="5"
          r="3.9"
          fill="none"
          stroke="currentColor"
          stroke-width="2"
          stroke-dasharray="15 30"
          transform="rotate(-90 5 5)"
        />
      );
    case "bars":
      return <path d="M2 1h2.2v8H2zM5.8 1H8v8H5.8z" fill="currentColor" />;
    case "triangle":
      return <path d="M5 .8L9.6 9H.4z" fill="currentColor" />;
    default:
      return shape satisfies never;
  }
}

export function Warning(): Raw {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true">
      <path d="M8 1.6l6.8 12.2H1.2z" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round" />
      <path d="M8 6.2v3.6M8 11.5v.7" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" />
    </svg>
  );
}

/** A tick, or a triangle when something is wrong; the level is also said in words for those who do not see it. */
export function Mark({ level }: { level: Check["level"] }): Raw {
  const d = level === "ok" ? "M2 6.4l2.7 2.7L10 3.4" : "M6 1.4l5 9H1zM6 4.6v2.8M6 8.9v.3";
  return (
    <svg viewBox="0 0 12 12" role="img" aria-label={level === "ok" ? "ok" : level === "warn" ? "warning" : "failed"}>
      <path d={d} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
