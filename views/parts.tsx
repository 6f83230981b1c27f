// biome-ignore-all lint/correctness/noUnusedImports: h is the JSX factory (tsconfig)
/** Pieces that several panels share. */
import type { DashboardModel, Kpi, Spark } from "../src/dashboard/model.ts";
import { type Child, h, type Raw } from "./jsx.ts";

export type Parts = Kpi["note"];
export type Empty = DashboardModel["rate"]["empty"];

export function Words({ parts }: { parts: Parts }): Raw {
  return <span>{parts.map(({ text, tone }) => (tone ? <b class={tone}>{text}</b> : text))}</span>;
}

/** A titled box. `id` is also the anchor of the navigation. */
export function Panel(props: {
  id: string;
  title: string;
  class: string;
  meta?: Child;
  legend?: Child;
  end?: Child;
  children?: Child;
}): Raw {
  return (
    <section class={`panel ${props.class}`} id={props.id} aria-labelledby={`h-${props.id}`}>
      <header>
        <h2 id={`h-${props.id}`}>{props.title}</h2>
        {props.meta ? <span class="meta">{props.meta}</span> : null}
        {props.legend}
        {props.end ? <div class="end">{props.end}</div> : null}
      </header>
      {props.children}
    </section>
  );
}

export function EmptyNote({ empty }: { empty: Empty }): Raw {
  return (
    <div class="empty">
      <b>{empty.lead}</b>
      <span>{empty.rest}</span>
    </div>
  );
}

export function Sparkline({ spark }: { spark: Spark | null }): Raw | null {
  return (
    spark && (
      <svg class="spark" viewBox="0 0 64 26" preserveAspectRatio="none" aria-hidden="true">
        <path class="a" d={spark.area} />
        <path d={spark.line} />
      </svg>
    )
  );
}
