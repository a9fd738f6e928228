package readme

// The module of this package is required so that no older version of it is taken: until
// 2023 it had packages that now are modules of their own, which gRPC imports, and a
// module that stores import requires a version of that time. Here the newer modules are
// among the requirements, and found first; a program that requires this module has both
// to choose from, and "go mod tidy" refuses that as ambiguous.
import _ "google.golang.org/genproto/protobuf/field_mask"
