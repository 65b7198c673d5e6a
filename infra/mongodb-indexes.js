// The indexes that Facedesk's reads of the registrations want. Once, with the database in the address:
//   mongosh "mongodb://host/database" infra/mongodb-indexes.js
// Fields and collection are the defaults of MONGODB_FIELDS and MONGODB_REGISTRATIONS_COLLECTION: where your settings say
// otherwise, name yours here. An index that exists already is left as it is.

// A person's registrations, and a search for a user id.
db.registrations.createIndex({ userId: 1 });

// An event's registrations, page by page, and the list of events, which is read from the index alone. Where there is an
// index on eventId alone, this one takes its place.
db.registrations.createIndex({ eventId: 1, _id: 1 });

// What of an event is new. Only a server without change streams is asked for it: one that is no replica set.
db.registrations.createIndex({ eventId: 1, updatedAt: 1 });

// A search for an address as it is stored, or in capitals or small letters alone. No index narrows a search by words.
db.registrations.createIndex({ email: 1 });

// What a search finds comes in this order, without a sort.
db.registrations.createIndex({ name: 1, _id: 1 });
