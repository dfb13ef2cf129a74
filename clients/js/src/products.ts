import type { DataOfEvents } from "./chat.js";
import type { Connection } from "./connection.js";
import { emitter, store } from "./emitter.js";
import type { Cursor, Product, RootServerToClientEvents, StreamJoined } from "./protocol.js";
import { follow, type Room, type RoomState } from "./room.js";

export interface ProductsState extends RoomState {
  /** By id, in the order in which the stream shows them. */
  readonly products: ReadonlyMap<string, Product>;
  /** The id of the featured product. */
  readonly featured: string | null;
}

/** The products of a stream. */
export interface Products extends Room<ProductsState, DataOfEvents<RootServerToClientEvents>> {}

/** Return the products of a stream, always the same object for a connection. */
export function products(connection: Connection, streamId: string): Products {
  return connection.share(`products ${streamId}`, () => {
    const { on, emit } = emitter<DataOfEvents<RootServerToClientEvents>>();
    const state = store<ProductsState>({ status: "joining", products: new Map(), featured: null });

    /** Return the state with exactly these products, each in the newest known version. */
    const shelf = (shown: Iterable<Product>) => {
      const known = state.get().products;
      const newest = [...shown].map((product) => {
        const held = known.get(product.id);
        return held && held.version > product.version ? held : product;
      });
      newest.sort((one, other) => one.sortOrder - other.sortOrder || +one.id - +other.id);
      return { products: new Map(newest.map((product) => [product.id, product])) };
    };
    const others = (id: string) => [...state.get().products.values()].filter((product) => product.id !== id);
    const put = (product: Product) => state.patch(shelf([...others(product.id), product]));

    const { retain } = follow<StreamJoined, ProductsState>(connection, {
      namespace: "/",
      room: `stream:${streamId}`,
      key: streamId,
      state,
      join: (since?: Cursor) => connection.ask("/", "join:stream", { streamId, since }),
      leave: () => connection.ask("/", "leave:stream", { streamId }),
      // The ack has all products, also if it has missed events.
      joined: ({ products, featured }) => ({ ...shelf(products), featured: featured?.id ?? null }),
      apply(event, data) {
        const id = data.productId;
        const sold = state.get().products.get(id);
        if (event === "live:product:added" || event === "live:product:updated") put(data);
        else if (event === "live:product:soldout" && sold) put({ ...sold, stock: 0, status: "SOLD_OUT", version: data.version });
        else if (event === "live:product:deleted") state.patch(shelf(others(id)));
        else if (event === "stream:featured-product:updated") {
          if (data.product) put(data.product);
          state.patch({ featured: id });
        }
        emit(event as keyof RootServerToClientEvents, data as never);
      },
    });
    return { state, on, retain };
  });
}
