// Package javascript tests the server with the real SDKs of JavaScript: the suites in
// suite are programs of Node.js, and their cases are tests here.
package javascript
