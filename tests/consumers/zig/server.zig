//! An Anweddol server in Zig: answers STAT, refuses every other verb. Each client has its own thread.
//! anwdl.zig is what `zig translate-c` makes of anwdl.h.
const std = @import("std");
const anwdl = @import("anwdl.zig");

const data = "{\"uptime\": 60, \"version\": \"1.0.0\"}";

fn check(status: anwdl.anwdl_status_t) !void {
    if (status != anwdl.ANWDL_OK) return error.Anwdl;
}

fn answerRequests(client: ?*anwdl.anwdl_client_t) !void {
    while (true) {
        var request: ?*anwdl.anwdl_request_t = null;
        try check(anwdl.anwdl_client_recv_request(client, false, &request));
        defer anwdl.anwdl_request_free(request);
        if (std.mem.eql(u8, std.mem.span(anwdl.anwdl_request_get_verb(request)), "STAT")) {
            try check(anwdl.anwdl_client_send_response(client, true, anwdl.ANWDL_RESPONSE_MSG_OK, data, null));
        } else {
            try check(anwdl.anwdl_client_send_response(client, false, anwdl.ANWDL_RESPONSE_MSG_REFUSED_REQ, null, null));
        }
    }
}

fn serve(io: std.Io, stream: std.Io.net.Stream, options: ?*anwdl.anwdl_client_options_t) void {
    var client: ?*anwdl.anwdl_client_t = null;
    // Exchanges the keys too; the client then owns the descriptor.
    check(anwdl.anwdl_client_new(stream.socket.handle, options, &client)) catch {
        std.log.info("no session: {s}", .{anwdl.anwdl_last_error_message()});
        return stream.close(io);
    };
    defer anwdl.anwdl_client_free(client);
    answerRequests(client) catch std.log.info("session ended: {s}", .{anwdl.anwdl_last_error_message()});
}

pub fn main(init: std.process.Init) !void {
    const io = init.io;
    var keys: ?*anwdl.anwdl_rsa_wrapper_t = null;
    const options = anwdl.anwdl_client_options_new();
    try check(anwdl.anwdl_rsa_wrapper_new(true, &keys));
    try check(anwdl.anwdl_client_options_set_rsa_wrapper(options, keys));
    try check(anwdl.anwdl_client_options_set_timeout(options, 10_000));
    try check(anwdl.anwdl_client_options_set_max_message_size(options, 16_384));

    const arguments = try init.minimal.args.toSlice(init.arena.allocator());
    const address: std.Io.net.IpAddress = .{ .ip4 = .loopback(try std.fmt.parseInt(u16, arguments[1], 10)) };
    var listener = try address.listen(io, .{ .reuse_address = true });
    std.debug.print("listening on {f}\n", .{listener.socket.address});
    while (true) {
        const stream = listener.accept(io) catch {
            // No descriptors: others may end meanwhile.
            try io.sleep(.fromMilliseconds(100), .awake);
            continue;
        };
        const thread = std.Thread.spawn(.{}, serve, .{ io, stream, options }) catch {
            stream.close(io);
            continue;
        };
        thread.detach();
    }
}
