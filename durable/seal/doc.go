// Package seal is a codec that encrypts payloads: inputs, results, events, custom
// statuses and the states of entities are readable only by programs that have a
// key, and by nobody on the way: not in a hub's files and backups, not by the
// server, not over HTTP.
//
//	keys, err := seal.ParseKeys(os.Getenv("ORDERS_KEYS"))
//	codec, err := seal.New(seal.Options{Keys: keys, Context: "orders"})
//	hub, err := netherite.Open(dir, netherite.WithCodec(codec), netherite.Serve(...))
//
// A payload is a JSON string, so it passes wherever text does:
//
//	"nsl1.KEYID.BASE64"
//	 nsl1    the format, with its version
//	 KEYID   which key: several may be known, the first one encrypts
//	 BASE64  URL alphabet, no padding: 24 bytes V, the ciphertext, its tag of 16 bytes
//
// The secret of a key is expanded (HKDF-SHA256) to a key M and a key E. V is the
// first 24 bytes of HMAC-SHA256 under M of the key ID, the context and the text;
// the text is encrypted by AES-256-GCM under the key HMAC-SHA256(E, V), which is
// used for this text only, with the key ID and the context as associated data.
// The same text gives the same payload: an entity's state that has not changed is
// not written again, and an activity's idempotency key stays the same when a step
// is executed again. There is no random number that could repeat, and so no bound
// on how much one key may encrypt.
//
// A payload that was changed or cut, or moved from another context, does not open.
// Within one context a payload may be moved: the engine does so itself, when it
// restarts an instance with its input or continues it as new.
//
// What is not protected: names of orchestrations, activities, entities, operations
// and events; instance IDs, versions and tags; times, sizes and the course of
// things; the texts of failures, and reasons to terminate, suspend or rewind;
// payloads of type durable.Raw, which no codec touches; that two texts are equal.
package seal
