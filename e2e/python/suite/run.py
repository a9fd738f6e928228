"""All cases against one server.

What the SDK can express (durabletask 1.12.0, durabletask-azuremanaged 1.12.0), and
where it is tried. A case is named FEATURE: TEXT; it prints one JSON line.

  client      schedule (name or function, input, ID, start_at, reuse policy, tags,
              version, default version), get with and without payloads, waits for
              start and end and their timeouts                     basics, manage, fleet
              events, terminate (recursive), suspend, resume              events
              rewind, restart (same, new ID), purge (ID, filter, recursive, timeout),
              queries (every filter, pages), list_instance_ids, history    manage
              entities: signal (now, later), get, query, clean storage     entities_
              the asynchronous client, channel options, converters, stores of
              payloads                                                    data
  orchestrator activities (function, name, tags, return type), when_all, when_any,
              retry policies (every field), sub-orchestrations (ID, version, retries),
              timers (delta, time, zone, steps, cancelled)                basics
              events (buffered, cancelled, typed), send_event, continue_as_new (events
              saved, new version), custom status                          events
              version, parent, current time, is_replaying, new_uuid, replay-safe
              logger, checks of determinism                               data, basics
              entities: call, signal (later), lock_entities and its rules  entities_
  entities    functions and classes; state, delete, signals, starting orchestrations,
              failures that take changes back                             entities_
  failures    type, message, stack, causes, is_caused_by, properties; what is not
              registered; what cannot be serialized                       data, basics
  worker      concurrency, several workers, stop and start, versioning (three ways to
              match, two to fail), work item filters (made, given, cleared, by
              version)                                                    fleet
  on top      scheduled tasks, history export                             fleet
  HTTP calls  off, and refused                                         data, and on: calls
  traces      spans and their parents, over the wire                      data
  scheduler   durabletask-azuremanaged's worker and both clients          dts

Not tried: payload stores and writers for Azure's blobs (they are clients of Azure),
sandboxes (a service of Azure's), the SDK's own backend for tests (no server of ours).
"""

import basics  # noqa: F401
import data  # noqa: F401
import entities_  # noqa: F401
import events  # noqa: F401
import fleet  # noqa: F401
import manage  # noqa: F401
import harness

if __name__ == "__main__":
    harness.main()
